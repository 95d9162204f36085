use std::io;

use arc_malachitebft_core_types::{Timeout, Validity};
use proptest::prelude::*;

use super::*;
use crate::testing::Cheap;
use crate::{Address, BlockHash, Certificate, Chain, Manifest, NilOrVal, Proposal, Round, Signer};
use crate::{Vote, VoteKind};

/// A file in memory that can be cut and damaged.
#[derive(Clone, Debug, Default)]
struct Memory(Vec<u8>);

impl Disk for Memory {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend(bytes);
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn entries() -> Vec<Entry> {
    let signer = Signer::<Cheap>::new(Chain([1; 32].into()), [2; 32]);
    let (height, round, block) = (Height(7), Round::new(3), BlockHash::from([4; 32]));
    let vote = |kind, block| {
        Entry::Vote(signer.vote(Vote {
            kind,
            height,
            round,
            block,
            validator: signer.address(),
        }))
    };
    let bytes = Bytes::from(vec![5; 200_000]);
    let manifest = Manifest::new(height, round, (block, &bytes), signer.address()).unwrap();
    vec![
        vote(VoteKind::Prevote, NilOrVal::Val(block)),
        vote(VoteKind::Precommit, NilOrVal::Nil),
        Entry::Proposal(signer.proposal(Proposal {
            height,
            round,
            block,
            valid_round: Round::new(1),
            proposer: signer.address(),
        })),
        Entry::Polka(Certificate {
            height,
            round,
            block,
            signatures: vec![(Address::from([6; 32]), crate::Seal::new(vec![7; 64]))],
        }),
        Entry::Timeout(Timeout::propose(round)),
        Entry::Timeout(Timeout::precommit(round)),
        Entry::Judged {
            height,
            round,
            proposer: signer.address(),
            block,
            validity: Validity::Invalid,
        },
        Entry::Block(Undecided {
            manifest: signer.manifest(manifest),
            bytes,
        }),
    ]
}

fn open(disk: Memory) -> Result<(Log<Memory>, Recovered), LogError> {
    Log::open(disk, LOG_BYTES_MAX)
}

/// A log in which each inner list was synced on its own.
fn written(frames: &[&[Entry]]) -> Vec<u8> {
    let (mut log, _) = open(Memory::default()).unwrap();
    log.reset(Height(7));
    for frame in frames {
        for entry in *frame {
            log.append(entry).unwrap();
        }
        log.sync().unwrap();
    }
    log.disk.0
}

#[test]
fn what_is_synced_is_read_again_and_what_is_not_is_lost() {
    let (mut log, recovered) = open(Memory::default()).unwrap();
    assert_eq!(recovered.height, None);
    log.reset(Height(7));
    for entry in &entries() {
        log.append(entry).unwrap();
    }
    log.sync().unwrap();
    log.append(&entries()[0]).unwrap();
    assert!(log.is_dirty());
    let (log, recovered) = open(log.disk).unwrap();
    assert_eq!(recovered.height, Some(Height(7)));
    assert_eq!(recovered.entries, entries());
    assert!(!log.is_dirty());
}

#[test]
fn a_log_has_these_bytes() {
    let bytes = written(&[&[Entry::Timeout(Timeout::prevote(Round::new(1)))]]);
    // len 18, its checksum, the payload's; height 7; one entry of 6 bytes.
    let golden = "000000121f8cd4d1";
    let hex = hex::encode(&bytes);
    assert_eq!(hex[..8], golden[..8]);
    assert_eq!(hex[24..], *"000000000000000700000006220408021001");
    assert_eq!(bytes.len(), 12 + 8 + 4 + 6);
    let crc = |data: &[u8]| hex::encode(crc32c::crc32c(data).to_be_bytes());
    assert_eq!(hex[8..16], crc(b"PHYWAL1\x00\x00\x00\x12"));
    assert_eq!(hex[16..24], crc(&bytes[12..]));
}

#[test]
fn a_new_height_replaces_the_file_with_its_first_frame() {
    let old = written(&[&entries()]);
    let (mut log, _) = open(Memory(old.clone())).unwrap();
    log.reset(Height(8));
    assert_eq!(log.disk.0, old, "until then the old one stays");
    log.append(&entries()[4]).unwrap();
    log.sync().unwrap();
    let (_, recovered) = open(log.disk).unwrap();
    assert_eq!(recovered.height, Some(Height(8)));
    assert_eq!(recovered.entries, entries()[4..5]);
}

#[test]
fn a_log_cut_anywhere_keeps_its_whole_frames() {
    let all = entries();
    let (first, second) = (&all[..3], &all[3..7]);
    let one = written(&[first]).len();
    let both = written(&[first, second]);
    for cut in 0..both.len() {
        // The file may be short, or grown before its bytes arrived.
        let whole = if cut < one { one } else { both.len() };
        for zeros in [0, whole - cut] {
            let mut bytes = both[..cut].to_vec();
            bytes.resize(cut + zeros, 0);
            let (mut log, recovered) = open(Memory(bytes)).unwrap();
            let kept: &[Entry] = if cut < one { &[] } else { first };
            // A cut zero may have been one before.
            if recovered.entries != kept {
                assert_eq!(recovered.entries, all[..7], "cut at {cut}");
                continue;
            }
            // What comes later stands behind what was kept.
            log.reset_if_empty(&recovered);
            log.append(&all[4]).unwrap();
            log.sync().unwrap();
            let (_, again) = open(log.disk).unwrap();
            assert_eq!(again.entries, [kept, &all[4..5]].concat(), "cut at {cut}");
        }
    }
}

impl Log<Memory> {
    fn reset_if_empty(&mut self, recovered: &Recovered) {
        if recovered.height.is_none() {
            self.reset(Height(7));
        }
    }
}

#[test]
fn any_damage_before_the_last_frame_is_refused() {
    let all = entries();
    let one = written(&[&all[..3]]).len();
    let both = written(&[&all[..3], &all[3..7]]);
    for at in 0..one {
        for bit in 0..8 {
            let mut bytes = both.clone();
            bytes[at] ^= 1 << bit;
            let error = open(Memory(bytes)).unwrap_err();
            assert!(
                matches!(error, LogError::Corrupt { offset: 0 }),
                "byte {at}, bit {bit}: {error}"
            );
            assert!(error.to_string().contains("witness"), "it says what to do");
        }
    }
}

#[test]
fn a_full_log_says_so_and_a_failed_disk_is_not_used_again() {
    let (mut log, _) = Log::open(Memory::default(), 100).unwrap();
    log.reset(Height(7));
    let error = entries().iter().find_map(|entry| log.append(entry).err());
    assert!(matches!(error, Some(LogError::Full { max: 100, .. })));

    struct Broken;
    impl Disk for Broken {
        fn read(&mut self) -> io::Result<Vec<u8>> {
            Ok(Vec::new())
        }
        fn append(&mut self, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
        fn truncate(&mut self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    let (mut log, _) = Log::open(Broken, LOG_BYTES_MAX).unwrap();
    log.append(&entries()[0]).unwrap();
    assert!(matches!(log.sync(), Err(LogError::Io { .. })));
    assert!(matches!(log.sync(), Err(LogError::Failed { .. })));
}

#[test]
fn a_file_is_a_disk_for_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("consensus.log");
    let (mut log, _) = Log::open(File::open(&path).unwrap(), LOG_BYTES_MAX).unwrap();
    assert_eq!(
        File::open(&path).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    log.reset(Height(7));
    log.append(&entries()[0]).unwrap();
    log.sync().unwrap();
    log.append(&entries()[1]).unwrap();
    log.sync().unwrap();
    drop(log);
    let (mut log, recovered) = Log::open(File::open(&path).unwrap(), LOG_BYTES_MAX).unwrap();
    assert_eq!(recovered.entries, entries()[..2]);
    log.reset(Height(8));
    log.append(&entries()[4]).unwrap();
    log.sync().unwrap();
    drop(log);
    let (_, recovered) = Log::open(File::open(&path).unwrap(), LOG_BYTES_MAX).unwrap();
    assert_eq!(recovered.height, Some(Height(8)));
    assert_eq!(recovered.entries, entries()[4..5]);
}

proptest! {
    #[test]
    fn any_bytes_are_a_log_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = open(Memory(bytes));
    }

    #[test]
    fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Entry::decode(&Bytes::from(bytes));
    }

    #[test]
    fn a_changed_entry_is_an_entry_or_an_error(
        which in 0..7_usize,
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut bytes = entries()[which].encode();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = Entry::decode(&Bytes::from(bytes));
    }
}
