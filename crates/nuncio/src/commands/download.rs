//! Downloads: to stdout as they come, or to a file that is there only when it is whole.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use nuncio_client::ClientError;

use super::output;

/// `-` or nothing is stdout.
pub(super) async fn to(
    file: Option<&Path>,
    fetch: impl AsyncFnOnce(&mut (dyn Write + Send)) -> Result<u64, ClientError>,
) -> anyhow::Result<()> {
    let Some(file) = file.filter(|file| *file != Path::new("-")) else {
        fetch(&mut io::stdout()).await?;
        return Ok(());
    };
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = || format!("{} cannot be written", file.display());
    let mut part = tempfile::NamedTempFile::new_in(directory).with_context(cannot)?;
    let length = fetch(part.as_file_mut()).await?;
    part.as_file_mut().flush().with_context(cannot)?;
    part.persist(file).with_context(cannot)?;
    eprintln!("{}: {} bytes", file.display(), output::grouped(length.cast_signed()));
    Ok(())
}
