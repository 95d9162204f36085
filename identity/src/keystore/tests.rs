use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use super::*;

/// Little work, so that the tests are quick.
const QUICK: WorkFactor = WorkFactor { log_n: 2 };

fn password(text: &str) -> SecretString {
    SecretString::from(text)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_created_key_opens_with_its_password_alone() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    assert!(!Keystore::exists(&keys));
    let created = Keystore::create(&keys, &password("olive"), QUICK).unwrap();
    assert!(Keystore::exists(&keys));
    assert_eq!(mode(&keys), 0o700);
    assert_eq!(mode(&keys.join(KEY_FILE)), 0o600);
    // Nothing is left of the way the file was written.
    assert_eq!(fs::read_dir(&keys).unwrap().count(), 1);

    let opened = Keystore::open(&keys, &password("olive")).unwrap();
    assert_eq!(opened.issuer().did(), created.issuer().did());
    assert_eq!(
        opened.ledger_signer().address(),
        created.ledger_signer().address()
    );

    let error = Keystore::open(&keys, &password("Olive")).unwrap_err();
    assert!(matches!(error, Error::WrongPassword { .. }));
}

#[test]
fn two_keys_are_different_and_so_are_the_keys_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let one = Keystore::create(&folder.path().join("1"), &password("x"), QUICK).unwrap();
    let two = Keystore::create(&folder.path().join("2"), &password("x"), QUICK).unwrap();
    let mut secrets: Vec<_> = [one, two]
        .iter()
        .flat_map(|keys| Purpose::ALL.map(|purpose| *keys.derive(purpose).expose()))
        .collect();
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), 2 * Purpose::ALL.len());
}

#[test]
fn a_key_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    Keystore::create(folder.path(), &password("x"), QUICK).unwrap();
    let before = fs::read(folder.path().join(KEY_FILE)).unwrap();
    let again = Keystore::create(folder.path(), &password("y"), QUICK);
    assert!(matches!(again, Err(Error::KeyExists { .. })));
    let unattended = Keystore::create_unattended(folder.path());
    assert!(matches!(unattended, Err(Error::KeyExists { .. })));
    assert_eq!(fs::read(folder.path().join(KEY_FILE)).unwrap(), before);
}

#[test]
fn a_changed_password_opens_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let created = Keystore::create(folder.path(), &password("old"), QUICK).unwrap();
    created.change_password(&password("new"), QUICK).unwrap();
    let opened = Keystore::open(folder.path(), &password("new")).unwrap();
    assert_eq!(opened.issuer().did(), created.issuer().did());
    let error = Keystore::open(folder.path(), &password("old")).unwrap_err();
    assert!(matches!(error, Error::WrongPassword { .. }));
    assert!(matches!(
        created.change_password(&password(""), QUICK),
        Err(Error::EmptyPassword)
    ));
    assert_eq!(mode(&folder.path().join(KEY_FILE)), 0o600);
}

#[test]
fn an_exported_key_is_the_same_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let here = Keystore::create(&folder.path().join("here"), &password("x"), QUICK).unwrap();
    let exported = here.export();
    let there = Keystore::import(
        &folder.path().join("there"),
        &password("y"),
        QUICK,
        &exported,
    )
    .unwrap();
    assert_eq!(there.issuer().did(), here.issuer().did());

    let text = exported.expose_secret();
    assert_eq!(text.len(), EXPORT_BYTES);
    let damaged = [
        text[1..].to_owned(),
        text[..text.len() - 1].to_owned(),
        format!("{text}0"),
        String::new(),
    ];
    for damaged in damaged {
        let result = Keystore::import(
            &folder.path().join("z"),
            &password("y"),
            QUICK,
            &password(&damaged),
        );
        assert!(matches!(result, Err(Error::InvalidExport { .. })));
    }
}

#[test]
fn an_unattended_key_opens_with_the_password_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let created = Keystore::create_unattended(folder.path()).unwrap();
    assert_eq!(mode(&folder.path().join(PASSWORD_FILE)), 0o600);
    let opened = Keystore::open_unattended(folder.path()).unwrap();
    assert_eq!(opened.issuer().did(), created.issuer().did());

    // A password that was drawn before the power failed is used, not replaced.
    let password_file = folder.path().join(PASSWORD_FILE);
    let drawn = fs::read(&password_file).unwrap();
    fs::remove_file(folder.path().join(KEY_FILE)).unwrap();
    Keystore::create_unattended(folder.path()).unwrap();
    assert_eq!(fs::read(&password_file).unwrap(), drawn);

    // A line's end that an editor added is not part of the password.
    fs::write(&password_file, [drawn, b"\n".to_vec()].concat()).unwrap();
    Keystore::open_unattended(folder.path()).unwrap();

    fs::remove_file(&password_file).unwrap();
    let error = Keystore::open_unattended(folder.path()).unwrap_err();
    assert!(matches!(error, Error::KeyMissing { .. }));
}

#[test]
fn files_that_others_can_read_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    Keystore::create_unattended(folder.path()).unwrap();
    for (name, bits) in [(KEY_FILE, 0o640), (KEY_FILE, 0o604), (PASSWORD_FILE, 0o660)] {
        let path = folder.path().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
        let error = Keystore::open_unattended(folder.path()).unwrap_err();
        assert!(
            matches!(&error, Error::TooOpen { mode, .. } if *mode == bits),
            "{error}"
        );
        assert!(error.to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    Keystore::open_unattended(folder.path()).unwrap();
}

#[test]
fn links_and_folders_are_not_key_files() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("elsewhere");
    Keystore::create(&elsewhere, &password("x"), QUICK).unwrap();
    let keys = folder.path().join("keys");
    fs::create_dir(&keys).unwrap();
    symlink(elsewhere.join(KEY_FILE), keys.join(KEY_FILE)).unwrap();
    let open = || Keystore::open(&keys, &password("x"));
    assert!(matches!(open(), Err(Error::NotAFile { .. })));
    fs::remove_file(keys.join(KEY_FILE)).unwrap();
    fs::create_dir(keys.join(KEY_FILE)).unwrap();
    assert!(matches!(open(), Err(Error::NotAFile { .. })));
    fs::remove_dir(keys.join(KEY_FILE)).unwrap();
    assert!(matches!(open(), Err(Error::KeyMissing { .. })));
}

#[test]
fn a_damaged_file_never_opens_and_never_panics() {
    let folder = tempfile::tempdir().unwrap();
    Keystore::create(folder.path(), &password("x"), QUICK).unwrap();
    let path = folder.path().join(KEY_FILE);
    let whole = fs::read(&path).unwrap();
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Keystore::open(folder.path(), &password("x"))
    };
    for length in 0..whole.len() {
        assert!(open(&whole[..length]).is_err(), "cut to {length}");
    }
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x20;
        assert!(open(&damaged).is_err(), "changed at {place}");
    }
    assert!(matches!(open(&[0; 20_000]), Err(Error::Damaged { .. })));
    open(&whole).unwrap();
}

#[test]
fn a_file_that_asks_for_too_much_work_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Keystore::create(folder.path(), &password("x"), QUICK).unwrap();
    let path = folder.path().join(KEY_FILE);
    let text = fs::read(&path).unwrap();
    // The header's first stanza: `-> scrypt SALT LOG_N`.
    let end = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(1)
        .unwrap()
        .0;
    let hostile = [&text[..end - 1], b"40", &text[end..]].concat();
    fs::write(&path, hostile).unwrap();
    let error = Keystore::open(folder.path(), &password("x")).unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooMuchWork {
                log_n: 40,
                max: 22,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn an_empty_password_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let result = Keystore::create(folder.path(), &password(""), QUICK);
    assert!(matches!(result, Err(Error::EmptyPassword)));
    assert!(!Keystore::exists(folder.path()));
}

#[test]
fn a_keystore_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keystore::create(folder.path(), &password("x"), QUICK).unwrap();
    let digits = &keys.export().expose_secret()[EXPORT_PREFIX.len()..].to_owned();
    let printed = format!(
        "{keys:?} {:?} {:?}",
        keys.issuer(),
        keys.derive(Purpose::Issuer)
    );
    assert!(!printed.contains(digits));
    assert!(!printed.contains(&hex::encode(keys.derive(Purpose::Issuer).expose())));
}
