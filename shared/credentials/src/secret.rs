//! Passwords from files, as Docker and Kubernetes hand them over: a setting `X_FILE` names the file that holds `X`.

use std::{fs::File, io::Read, path::Path};

use crate::CredentialError;

/// How long a secret may be, in bytes. What is longer is another file by mistake.
const MAX_SECRET: u64 = 4_096;

/// The secret that a file holds, without the line end that editors put behind it.
///
/// # Errors
/// It cannot be read, is empty, is no text, or has more than 4,096 bytes.
pub fn read_secret(path: &Path) -> Result<String, CredentialError> {
    let unreadable = |cause| CredentialError::unreadable(path, cause);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_SECRET {
        return Err(CredentialError::unusable(
            path,
            format!("a secret has at most {MAX_SECRET} bytes, and this file has more"),
        ));
    }
    let Ok(mut secret) = String::from_utf8(bytes) else {
        return Err(CredentialError::unusable(
            path,
            "a secret is text in UTF-8, and this file is not",
        ));
    };
    secret.truncate(secret.trim_end_matches(['\r', '\n']).len());
    if secret.is_empty() {
        return Err(CredentialError::unusable(
            path,
            "a secret was expected, and the file is empty",
        ));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_secret_is_read_without_its_line_end_and_nothing_else_is_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        for (written, secret) in [("a b \n", "a b "), ("s3cret\r\n\n", "s3cret"), (" s", " s")] {
            fs::write(&path, written).expect("a file");
            assert_eq!(read_secret(&path).expect("a secret"), secret);
        }
    }

    #[test]
    fn a_file_that_holds_no_secret_is_named_and_not_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        let name = path.display().to_string();
        let refused = || read_secret(&path).expect_err("no secret").to_string();
        assert!(refused().starts_with(&name), "a file that is missing");
        let long = vec![b's'; 5_000];
        for written in [&b"\n"[..], b"s3cret\xff", &long] {
            fs::write(&path, written).expect("a file");
            let refused = refused();
            assert!(refused.starts_with(&name), "{refused}");
            assert!(!refused.contains("s3cret") && !refused.contains("sss"), "{refused}");
        }
    }
}
