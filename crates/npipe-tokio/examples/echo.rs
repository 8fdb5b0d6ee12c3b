//! A program as it is written for Windows: nothing in it goes beyond tokio, and only the first line differs.

use npipe_tokio::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time;

const PIPE_NAME: &str = r"\\.\pipe\example-echo";

const ERROR_PIPE_BUSY: i32 = 231;

async fn echo(mut client: NamedPipeServer) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let count = client.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..count]).await?;
    }
}

async fn serve(mut server: NamedPipeServer) -> io::Result<()> {
    loop {
        server.connect().await?;
        // The next instance exists before the client of this one is served, so that no client ever finds none.
        let connected = server;
        server = ServerOptions::new().create(PIPE_NAME)?;
        tokio::spawn(echo(connected));
    }
}

async fn connect() -> io::Result<NamedPipeClient> {
    loop {
        match ClientOptions::new().open(PIPE_NAME) {
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {}
            other => return other,
        }
        time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::main]
pub(crate) async fn main() -> io::Result<()> {
    let server = ServerOptions::new().first_pipe_instance(true).create(PIPE_NAME)?;
    tokio::spawn(serve(server));

    let clients: Vec<_> = (1..=10)
        .map(|number| {
            tokio::spawn(async move {
                let mut client = connect().await?;
                client.write_all(format!("client {number}").as_bytes()).await?;
                let mut buffer = [0; 64];
                let count = client.read(&mut buffer).await?;
                Ok::<_, io::Error>(String::from_utf8_lossy(&buffer[..count]).into_owned())
            })
        })
        .collect();
    for client in clients {
        println!("{} was answered", client.await??);
    }
    Ok(())
}
