// Mutation testing: breaks one rule of the contracts at a time and sees that a test notices.
//
//   cargo test -p phytomer-contracts --test it --no-run
//   node tests/mutants.mjs <path of the test binary> [part of a mutant's name]
//
// A mutant is a piece of a source, which must occur once, and what stands there instead. Its
// artifact is written to a temporary folder, which the tests prefer to the committed ones when
// PHYTOMER_MUTANT names it. A mutant that no test notices is printed and fails the run.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, read } from "../build.mjs";

const P = "PlantCertificate";
const L = "Lineage";
const R = "IssuerRegistry";
const M = "ModelRegistry";
const E = "Escrow";
const T = "TestUSD";

/** [source, what it breaks, piece, replacement] */
const mutants = [
  [P, "anybody issues", "_requireAccredited(newLot.taxon);\n        id = _record(newLot, 0);", "id = _record(newLot, 0);"],
  [P, "anybody splits", "_requireAccredited(from.taxon);", ""],
  [P, "anybody merges", "_requireAccredited(newLot.taxon);\n        for", "for"],
  [P, "an issuer without accreditation supersedes", "_requireAccredited(record.taxon);", ""],
  [P, "nothing is taken", "remainder - uint128(quantity)", "remainder"],
  [P, "more is taken than there is", "require(quantity <= remainder, NotEnoughLeft(parent, quantity, remainder));", ""],
  [P, "a lot may be empty", "&& newLot.quantity != 0 ", ""],
  [P, "a lot may lack a credential", "newLot.credentialHash != 0 && ", ""],
  [P, "a lot may lack a taxon", "newLot.taxon != 0 && ", ""],
  [P, "a lot may lack a unit", " && newLot.unit != 0", ""],
  [P, "a status index is used twice", "indexes.set(newLot.statusIndex);", ""],
  [P, "issuers share status indexes", "_statusIndexes[msg.sender];", "_statusIndexes[address(0)];"],
  [P, "a credential is used twice", "_idOfCredential[newLot.credentialHash] = id;", ""],
  [P, "a lot is born expired", "newLot.expiresAt > block.timestamp", "newLot.expiresAt >= block.timestamp"],
  [P, "a lot lives a second longer", "block.timestamp >= expiresAt", "block.timestamp > expiresAt"],
  [P, "locked lots are transferred", "require(status == Status.Active && !expired, LotLocked(id, status, expired, cause));", "status; expired; cause;"],
  [P, "expired lots are transferred", "require(status == Status.Active && !expired, LotLocked(id", "require(status == Status.Active, LotLocked(id"],
  [P, "locked ignores expiry", "return status != Status.Active || expired;", "expired; return status != Status.Active;"],
  [P, "ended lots are divided", "require(status == Status.Active && !expired, LotLocked(parent", "require(!expired, LotLocked(parent"],
  [P, "expired lots are divided", "require(status == Status.Active && !expired, LotLocked(parent", "require(status == Status.Active, LotLocked(parent"],
  [P, "anybody's lot is divided", "_checkAuthorized(_ownerOf(parent), msg.sender, parent);", ""],
  [P, "held lines are divided", "require(status == Status.None, LotLocked(cause, status, false, cause));", "status; cause;"],
  [P, "lines are endless", "require(above < DEPTH_MAX, TooDeep(parentIds[i], DEPTH_MAX));", ""],
  [P, "a lot is as deep as its youngest parent", "if (above >= depth) depth = above + 1;", "depth = above + 1;"],
  [P, "one ancestor too many", "require(count <= ANCESTORS_MAX, TooManyAncestors(ANCESTORS_MAX));", "count;"],
  [P, "children change taxon", "require(newLot.taxon == from.taxon, TaxonDiffers(parent, newLot.taxon, from.taxon));", ""],
  [P, "children change unit", "require(newLot.unit == from.unit, UnitDiffers(parent, newLot.unit, from.unit));", ""],
  [P, "children outlive their parent", "require(renewed || !outlives", "require(true || renewed || !outlives"],
  [P, "children never expire", "(newLot.expiresAt == 0 || newLot.expiresAt > from.expiresAt)", "newLot.expiresAt > from.expiresAt"],
  [P, "a successor may not outlive", "_requireInherits(id, newLot, true);", "_requireInherits(id, newLot, false);"],
  [P, "a merge makes plants", "require(newLot.quantity == taken, QuantityDiffers(newLot.quantity, taken));", ""],
  [P, "a parent is merged twice", "if (i != 0 && parentIds[i - 1] >= parent) revert ParentsNotAscending(parentIds[i - 1], parent);", ""],
  [P, "a parent gives nothing", "require(quantities[i] != 0, NothingTaken(parentIds[i]));", ""],
  [P, "a merge forgets what was taken", "_graph.kin[id].taken[i] = quantities[i];", ""],
  [P, "a merge of one", "count >= 2 && ", ""],
  [P, "a split into nothing", "count != 0 && count <= CHILDREN_PER_SPLIT_MAX", "count <= CHILDREN_PER_SPLIT_MAX"],
  [P, "a split of any size", "count != 0 && count <= CHILDREN_PER_SPLIT_MAX", "count != 0"],
  [P, "anybody suspends", "_requireAuthority(record.issuer);\n        Status status", "Status status"],
  [P, "a suspension ends only active lots", " || status == Status.Retired || status == Status.Superseded", ""],
  [P, "a suspension needs no reason", "require(reason != 0, NoReason(id));\n        record.heldStatus = status;", "record.heldStatus = status;"],
  [P, "anybody reinstates", "_requireAuthority(record.issuer);\n        require(record.status == Status.Suspended", "require(record.status == Status.Suspended"],
  [P, "anything is reinstated", "require(record.status == Status.Suspended, WrongStatus(id, record.status));", ""],
  [P, "reinstatement revives", "Status restored = record.heldStatus;", "Status restored = Status.Active;"],
  [P, "anybody revokes", "if (msg.sender != record.issuer) _requireAuthority(record.issuer);", ""],
  [P, "an issuer cannot revoke", "if (msg.sender != record.issuer) _requireAuthority(record.issuer);", "_requireAuthority(record.issuer);"],
  [P, "a lot is revoked twice", "require(record.status != Status.Revoked, WrongStatus(id, record.status));", ""],
  [P, "anybody retires", "require(msg.sender == record.issuer || msg.sender == _requireOwned(id), NotAllowed(id, msg.sender));", ""],
  [P, "an owner cannot retire", "msg.sender == record.issuer || msg.sender == _requireOwned(id)", "msg.sender == record.issuer"],
  [P, "retiring escapes a suspension", "require(record.status == Status.Active, WrongStatus(id, record.status));\n        _setStatus(id, Status.Retired, 0);", "_setStatus(id, Status.Retired, 0);"],
  [P, "anybody supersedes", "require(msg.sender == record.issuer, NotAllowed(id, msg.sender));", ""],
  [P, "an ended lot is superseded", "require(record.status == Status.Active, WrongStatus(id, record.status));\n        _requireAccredited", "_requireAccredited"],
  [P, "a successor of any size", "require(newLot.quantity == record.remainder, QuantityDiffers(newLot.quantity, record.remainder));", ""],
  [P, "a successor leaves the old lot in force", "_setStatus(id, Status.Superseded, 0);", ""],
  [P, "a successor goes to the issuer", "_handOut(ownerOf(id), successor, 1);", "_handOut(msg.sender, successor, 1);"],
  [P, "a successor is nobody's child", "_graph.link(id, successor, 0);", ""],
  [P, "a suspension does not descend", "(status, cause, ) = _graph.gravest(_single(id));", ""],
  [P, "receivers are not asked", "ERC721Utils.checkOnERC721Received(msg.sender, address(0), to, id, \"\");", ""],
  [P, "receivers are asked too early", "_mint(to, id);\n            emit Unlocked(id);", "_mint(to, id);\n            ERC721Utils.checkOnERC721Received(msg.sender, address(0), to, id, \"\");\n            emit Unlocked(id);"],
  [P, "issuing is re-entered", "function issue(address to, NewLot calldata newLot) external nonReentrant", "function issue(address to, NewLot calldata newLot) external"],
  [P, "an only child's quantity is forgotten", "if (count == 1) quantities[0] = _graph.lots[id].quantity;", ""],
  [L, "suspension outranks revocation", "(own == Status.Suspended && status != Status.Revoked)", "own == Status.Suspended"],
  [L, "revocation does not descend", "own == Status.Revoked || (", "(own == Status.Suspended && own == Status.Revoked) || ("],
  [L, "the youngest lot is the cause", "(status, cause) = (own, id);", "if (own != status) (status, cause) = (own, id);"],
  [L, "lots are walked twice", "if (low < count && queue.unsafeMemoryAccess(low) == id) return count;", ""],
  [L, "only the first parent counts", "if (parent == 0) break;", "if (parent == 0 || i > 0) break;"],
  [L, "the queue is not sorted", "queue.unsafeMemoryAccess(middle) > id", "queue.unsafeMemoryAccess(middle) < id"],
  [L, "parents forget children", "children.push(uint64(child));", ""],
  [L, "children without end", "require(children.length < CHILDREN_MAX, IPlantCertificate.TooManyChildren(parent, CHILDREN_MAX));", ""],
  [L, "every parent is the first", "graph.kin[child].parents[index] = uint64(parent);", "index; graph.kin[child].parents[0] = uint64(parent);"],
  [R, "anybody adds authorities", "function addAuthority(address account) external restricted", "function addAuthority(address account) external"],
  [R, "anybody removes authorities", "function removeAuthority(address account) external restricted", "function removeAuthority(address account) external"],
  [R, "anybody accredits", "require(_authorities[msg.sender], NotAnAuthority(msg.sender));", ""],
  [R, "issuers are taken over", "require(current == address(0) || current == msg.sender, NotAuthorityOf(msg.sender, issuer, current));", "current;"],
  [R, "an authority's withdrawal frees the issuer", "return _authorities[recorded] ? recorded", "return _authorities[recorded] && _issuers[issuer].active ? recorded"],
  [R, "zero opens every scope", "require(taxa[i] != ALL_TAXA, NamelessTaxon(i));", ""],
  [R, "scopes without limit", "require(taxa.length <= TAXA_MAX, TooManyTaxa(taxa.length, TAXA_MAX));", ""],
  [R, "an issuer has no name", "require(issuer != address(0) && didHash != 0, NamelessIssuer(issuer, didHash));", ""],
  [R, "an accreditation has ended before", "require(validUntil == 0 || validUntil > block.timestamp, AlreadyEnded(validUntil, block.timestamp));", ""],
  [R, "old scopes stay", "[++_scopeOf[issuer]]", "[_scopeOf[issuer]]"],
  [R, "any authority withdraws", "require(current == msg.sender, NotAuthorityOf(msg.sender, issuer, current));", "current;"],
  [R, "a withdrawal changes nothing", "_issuers[issuer].active = false;", ""],
  [R, "issuers outlast their authority", "!record.active || !_authorities[record.authority]", "!record.active"],
  [R, "accreditations do not end", "block.timestamp >= record.validUntil", "block.timestamp > record.validUntil"],
  [R, "scopes do not bind", "return scope[ALL_TAXA] || scope[taxon];", "scope; taxon; return true;"],
  [R, "a removed authority answers", "return _authorities[recorded] ? recorded : address(0);", "return recorded;"],
  [M, "anybody registers", "bytes32 cardHash) external restricted", "bytes32 cardHash) external"],
  [M, "anybody activates", "function activate(bytes32 modelId) external restricted", "function activate(bytes32 modelId) external"],
  [M, "anybody retires models", "function retire(bytes32 modelId) external restricted", "function retire(bytes32 modelId) external"],
  [M, "a model is registered twice", "_require(modelId, _models[modelId].status == ModelStatus.None);", ""],
  [M, "a retired model returns", "_require(modelId, _models[modelId].status == ModelStatus.Proposed);", ""],
  [T, "anybody mints", "external restricted", "external"],
  [T, "wei", "return 6;", "return 18;"],
  [E, "offers for nothing", "require(price != 0, NoPrice());", ""],
  [E, "offers that are over", "require(deadline > block.timestamp, DeadlinePassed(deadline, block.timestamp));", ""],
  [E, "offers that outlive", "require(lot.expiresAt == 0 || deadline <= lot.expiresAt, OutlivesCertificate(deadline, lot.expiresAt));", ""],
  [E, "offers of nothing", "require(lot.remainder != 0, NothingLeft(certificate));", ""],
  [E, "the certificate stays with the seller", "certificates.transferFrom(msg.sender, address(this), certificate);", ""],
  [E, "anybody buys", "require(sale.buyer == address(0) || sale.buyer == msg.sender, NotParty(id, msg.sender));", ""],
  [E, "buying too late", "require(block.timestamp < sale.deadline", "require(block.timestamp <= sale.deadline"],
  [E, "buying what is locked", "require(!certificates.locked(sale.certificate), CertificateLocked(sale.certificate));", ""],
  [E, "buying without paying", "currency.safeTransferFrom(msg.sender, address(this), sale.price);", ""],
  [E, "buying twice", "sale.status = OfferStatus.Funded;", ""],
  [E, "anybody confirms", "require(msg.sender == sale.buyer, NotParty(id, msg.sender));\n        require(_complete", "require(_complete"],
  [E, "confirming what is locked", "require(_complete(id, sale), CertificateLocked(sale.certificate));", "_complete(id, sale);"],
  [E, "anybody cancels", "require(msg.sender == sale.seller, NotParty(id, msg.sender));\n        sale.status", "sale.status"],
  [E, "anybody refunds", "require(msg.sender == sale.buyer, NotParty(id, msg.sender));\n            require(", "require("],
  [E, "refunds at any time", "block.timestamp >= sale.deadline || certificates", "true || certificates"],
  [E, "refunds only after the deadline", " || certificates.locked(sale.certificate),", ","],
  [E, "anybody disputes", "require(msg.sender == sale.buyer || msg.sender == sale.seller, NotParty(id, msg.sender));", ""],
  [E, "anybody resolves", "external restricted nonReentrant", "external nonReentrant"],
  [E, "resolving without a dispute", "_requireStatus(id, OfferStatus.Disputed);", "_requireStatus(id, OfferStatus.Funded);"],
  [E, "a dispute freezes nothing", "sale.status = OfferStatus.Disputed;", ""],
  [E, "reclaiming what is for sale", "sold || status == OfferStatus.Cancelled || status == OfferStatus.Refunded,", "true,"],
  [E, "reclaiming by an old offer", "require(_heldFor[sale.certificate] == id, NothingHeld(id));", ""],
  [E, "reclaiming for the wrong side", "sold ? sale.buyer : sale.seller", "sold ? sale.seller : sale.buyer"],
  [E, "a sale is paid twice", "sale.status = OfferStatus.Completed;", ""],
  [E, "a sale is not paid", "currency.safeTransfer(sale.seller, sale.price);", ""],
  [E, "money goes back twice", "sale.status = OfferStatus.Refunded;", ""],
  [E, "money does not go back", "currency.safeTransfer(sale.buyer, sale.price);", ""],
  [E, "a cancelled offer stays open", "sale.status = OfferStatus.Cancelled;", ""],
  [E, "custody is not ended", "delete _heldFor[certificate];", ""],
  [E, "a locked certificate blocks the money", "if (certificates.locked(certificate)) return false;", ""],
];

/** Contracts to compile for a mutant of a source. */
const compiled = { [L]: P };

function mutate(source, piece, replacement) {
  const text = read(source);
  if (text.split(piece).length !== 2) throw new Error(`${source}: not once: ${piece}`);
  return text.replace(piece, () => replacement);
}

/** Runs the tests on an artifact and returns the names of those that fail, or null. The random
    histories and the largest lineages come last, if nothing else noticed. */
function noticed(binary, folder, artifact) {
  writeFileSync(join(folder, `${artifact.contractName}.json`), JSON.stringify(artifact));
  const env = { ...process.env, PHYTOMER_MUTANT: folder, RUST_BACKTRACE: "0", PROPTEST_MAX_SHRINK_ITERS: "0" };
  const slow = ["history::", "gas::"];
  for (const filter of [slow.flatMap((name) => ["--skip", name]), slow]) {
    const { status, stdout } = spawnSync(binary, filter, { env, encoding: "utf8" });
    if (status !== 0) return [...stdout.matchAll(/^    (\w+::\w+)$/gm)].map((match) => match[1]);
  }
  return null;
}

function main(binary, part = "") {
  const folder = mkdtempSync(join(tmpdir(), "mutants-"));
  const survivors = [];
  for (const [name, breaks, piece, replacement] of mutants) {
    if (!breaks.includes(part)) continue;
    const source = `src/${name}.sol`;
    const mutated = mutate(source, piece, replacement);
    const contract = compiled[name] ?? name;
    const readMutated = (path) => (path === source ? mutated : read(path));
    const [artifact] = compile([contract], readMutated, ["error"]);
    const tests = noticed(binary, folder, artifact);
    rmSync(join(folder, `${contract}.json`));
    console.log(`${tests ? "noticed " : "SURVIVED"} ${name}: ${breaks}${tests ? ` (${tests.join(", ")})` : ""}`);
    if (!tests) survivors.push(`${name}: ${breaks}`);
  }
  rmSync(folder, { recursive: true });
  if (survivors.length > 0) {
    console.error(`${survivors.length} mutants survived: ${survivors.join("; ")}`);
    process.exitCode = 1;
  }
}

main(...process.argv.slice(2));
