// SPDX-License-Identifier: Apache-2.0 OR MIT
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IPlantCertificate, Lot} from "./IPlantCertificate.sol";

/// @notice Where an offer stands.
enum OfferStatus {
    None,
    Open,
    Funded,
    Completed,
    Cancelled,
    Refunded,
    Disputed
}

/// @notice A certificate for sale.
/// @param seller Who offered it and is paid.
/// @param buyer Who may buy, or bought; zero while anyone may.
/// @param certificate Id of the certificate, which the escrow holds.
/// @param price In the smallest unit of the escrow's currency.
/// @param deadline Unix seconds; until then it can be bought, and from then on the buyer may have
/// the money back.
/// @param status Where it stands.
struct Offer {
    address seller;
    address buyer;
    uint256 certificate;
    uint256 price;
    uint64 deadline;
    OfferStatus status;
}

/// @title Sale of certificates: the escrow holds the certificate and the money until both change hands
/// @notice Life of an offer:
///
///     Open ── buy ──→ Funded ── confirm ──→ Completed: seller has the money, buyer the certificate
///       │               ├─ refund ──→ Refunded: buyer has the money, seller the certificate
///       │               └─ dispute ─→ Disputed ── resolve ──→ Completed or Refunded
///       └─ cancel ──→ Cancelled: seller has the certificate
///
/// The balance of the escrow is at least the sum of the prices of all Funded and Disputed offers,
/// and each price leaves it once. Money is pushed: the currency is a plain ERC-20 that calls
/// nobody. Certificates are handed over without calling their receiver, who could otherwise
/// hold up the other side. A certificate that is locked when it should be handed over stays here
/// for whom it is due, who collects it with {reclaim} once it is unlocked.
contract Escrow is AccessManaged, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice What is sold.
    IPlantCertificate public immutable certificates;

    /// @notice What is paid with.
    IERC20 public immutable currency;

    /// @notice How many offers were made; also the id of the latest.
    uint256 public offerCount;

    mapping(uint256 id => Offer) private _offers;

    /// @dev The offer under which a certificate is held here; 0: not held.
    mapping(uint256 certificate => uint256 id) private _heldFor;

    /// @notice `seller` offers `certificate` for `price`.
    event Offered(uint256 indexed id, uint256 indexed certificate, address indexed seller, uint256 price);

    /// @notice `buyer` paid the price into the escrow.
    event Funded(uint256 indexed id, address indexed buyer);

    /// @notice `by`, the buyer or the seller, asks the inspector to decide.
    event Disputed(uint256 indexed id, address indexed by);

    /// @notice The seller was paid; the certificate is the buyer's.
    event Completed(uint256 indexed id);

    /// @notice The offer ended without a sale: Cancelled or Refunded.
    event Closed(uint256 indexed id, OfferStatus status);

    /// @notice The certificate of an ended offer left the escrow.
    event HandedOver(uint256 indexed id, uint256 indexed certificate, address indexed to);

    /// @notice The offer's status does not allow this.
    error WrongOfferStatus(uint256 id, OfferStatus status);

    /// @notice `caller` may not do this with offer `id`.
    error NotParty(uint256 id, address caller);

    /// @notice An offer needs a price.
    error NoPrice();

    /// @notice All plants of the certificate have gone to its children; there is nothing to sell.
    error NothingLeft(uint256 certificate);

    /// @notice The deadline is not after `timestamp`, the time of the block.
    error DeadlinePassed(uint64 deadline, uint256 timestamp);

    /// @notice The deadline is after the certificate expires.
    error OutlivesCertificate(uint64 deadline, uint64 expiresAt);

    /// @notice The certificate is in order and the deadline after `timestamp`: no refund yet.
    error TooEarly(uint64 deadline, uint256 timestamp);

    /// @notice The certificate is locked: it cannot be bought, nor leave the escrow.
    error CertificateLocked(uint256 certificate);

    /// @notice The escrow does not hold a certificate for this offer any more.
    error NothingHeld(uint256 id);

    /// @param accessManager Decides who resolves disputes.
    /// @param certificates_ What is sold.
    /// @param currency_ What is paid with: a plain ERC-20, without callbacks or fees on transfer.
    constructor(
        address accessManager,
        IPlantCertificate certificates_,
        IERC20 currency_
    ) AccessManaged(accessManager) {
        certificates = certificates_;
        currency = currency_;
    }

    /// @notice Offers a certificate that the caller owns and has approved the escrow for. The
    /// escrow takes it.
    /// @param price In the smallest unit of the currency, more than 0.
    /// @param buyer Who may buy; zero: anyone.
    /// @param deadline Unix seconds, in the future and no later than the certificate expires.
    function offer(
        uint256 certificate,
        uint256 price,
        address buyer,
        uint64 deadline
    ) external nonReentrant returns (uint256 id) {
        require(price != 0, NoPrice());
        require(deadline > block.timestamp, DeadlinePassed(deadline, block.timestamp));
        Lot memory lot = certificates.lot(certificate);
        require(lot.expiresAt == 0 || deadline <= lot.expiresAt, OutlivesCertificate(deadline, lot.expiresAt));
        require(lot.remainder != 0, NothingLeft(certificate));
        id = ++offerCount;
        _offers[id] = Offer({
            seller: msg.sender,
            buyer: buyer,
            certificate: certificate,
            price: price,
            deadline: deadline,
            status: OfferStatus.Open
        });
        _heldFor[certificate] = id;
        emit Offered(id, certificate, msg.sender, price);
        certificates.transferFrom(msg.sender, address(this), certificate);
    }

    /// @notice Pays the price into the escrow; the caller must have approved it for the currency.
    function buy(uint256 id) external nonReentrant {
        Offer storage sale = _requireStatus(id, OfferStatus.Open);
        require(sale.buyer == address(0) || sale.buyer == msg.sender, NotParty(id, msg.sender));
        require(block.timestamp < sale.deadline, DeadlinePassed(sale.deadline, block.timestamp));
        require(!certificates.locked(sale.certificate), CertificateLocked(sale.certificate));
        sale.buyer = msg.sender;
        sale.status = OfferStatus.Funded;
        emit Funded(id, msg.sender);
        currency.safeTransferFrom(msg.sender, address(this), sale.price);
    }

    /// @notice The buyer has the plants: the seller is paid, the certificate handed over. Not
    /// while the certificate is locked.
    function confirm(uint256 id) external nonReentrant {
        Offer storage sale = _requireStatus(id, OfferStatus.Funded);
        require(msg.sender == sale.buyer, NotParty(id, msg.sender));
        require(_complete(id, sale), CertificateLocked(sale.certificate));
    }

    /// @notice The seller takes an offer back that nobody has paid.
    function cancel(uint256 id) external nonReentrant {
        Offer storage sale = _requireStatus(id, OfferStatus.Open);
        require(msg.sender == sale.seller, NotParty(id, msg.sender));
        sale.status = OfferStatus.Cancelled;
        emit Closed(id, OfferStatus.Cancelled);
        _handOver(id, sale, sale.seller);
    }

    /// @notice Gives the money back: at any time by the seller; by the buyer from the deadline on,
    /// or at once when the certificate is locked.
    function refund(uint256 id) external nonReentrant {
        Offer storage sale = _requireStatus(id, OfferStatus.Funded);
        if (msg.sender != sale.seller) {
            require(msg.sender == sale.buyer, NotParty(id, msg.sender));
            require(
                block.timestamp >= sale.deadline || certificates.locked(sale.certificate),
                TooEarly(sale.deadline, block.timestamp)
            );
        }
        _refund(id, sale);
    }

    /// @notice The buyer or the seller asks the inspector to decide; until then nothing moves.
    function dispute(uint256 id) external {
        Offer storage sale = _requireStatus(id, OfferStatus.Funded);
        require(msg.sender == sale.buyer || msg.sender == sale.seller, NotParty(id, msg.sender));
        sale.status = OfferStatus.Disputed;
        emit Disputed(id, msg.sender);
    }

    /// @notice The inspector decides a dispute, also while the certificate is locked. Restricted
    /// by the access manager.
    /// @param toSeller Whether the sale stands; else the money goes back.
    function resolve(uint256 id, bool toSeller) external restricted nonReentrant {
        Offer storage sale = _requireStatus(id, OfferStatus.Disputed);
        if (toSeller) _complete(id, sale);
        else _refund(id, sale);
    }

    /// @notice Hands over the certificate of an ended offer that was locked then and is not now.
    /// Anyone may call; it goes to whom it is due.
    function reclaim(uint256 id) external nonReentrant {
        Offer storage sale = _offers[id];
        OfferStatus status = sale.status;
        bool sold = status == OfferStatus.Completed;
        require(
            sold || status == OfferStatus.Cancelled || status == OfferStatus.Refunded,
            WrongOfferStatus(id, status)
        );
        require(_heldFor[sale.certificate] == id, NothingHeld(id));
        require(_handOver(id, sale, sold ? sale.buyer : sale.seller), CertificateLocked(sale.certificate));
    }

    /// @notice An offer; status None for an unknown id.
    function offers(uint256 id) external view returns (Offer memory) {
        return _offers[id];
    }

    /// @notice The offer under which the escrow holds a certificate; 0: it does not hold it.
    function heldFor(uint256 certificate) external view returns (uint256 id) {
        return _heldFor[certificate];
    }

    function _complete(uint256 id, Offer storage sale) private returns (bool handedOver) {
        sale.status = OfferStatus.Completed;
        emit Completed(id);
        handedOver = _handOver(id, sale, sale.buyer);
        currency.safeTransfer(sale.seller, sale.price);
    }

    function _refund(uint256 id, Offer storage sale) private {
        sale.status = OfferStatus.Refunded;
        emit Closed(id, OfferStatus.Refunded);
        _handOver(id, sale, sale.seller);
        currency.safeTransfer(sale.buyer, sale.price);
    }

    /// @dev Gives the certificate to `to`, unless it is locked: then it stays for {reclaim}.
    function _handOver(uint256 id, Offer storage sale, address to) private returns (bool) {
        uint256 certificate = sale.certificate;
        if (certificates.locked(certificate)) return false;
        delete _heldFor[certificate];
        emit HandedOver(id, certificate, to);
        certificates.transferFrom(address(this), to, certificate);
        return true;
    }

    function _requireStatus(uint256 id, OfferStatus status) private view returns (Offer storage sale) {
        sale = _offers[id];
        require(sale.status == status, WrongOfferStatus(id, sale.status));
    }
}
