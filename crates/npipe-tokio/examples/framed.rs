//! Lines as frames, by `tokio_util::codec`: a server that answers each line, and a client with a conversation.

use futures_util::{SinkExt, StreamExt};
use npipe_tokio::named_pipe::{ClientOptions, NamedPipeListener, NamedPipeServer};
use tokio_util::codec::{Framed, LinesCodec};

const NAME: &str = r"\\.\pipe\example-framed";

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn serve(client: NamedPipeServer) -> Outcome {
    let mut lines = Framed::new(client, LinesCodec::new());
    while let Some(line) = lines.next().await {
        lines.send(line?.to_uppercase()).await?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Outcome {
    let mut clients = NamedPipeListener::bind(NAME)?;
    tokio::spawn(async move {
        while let Some(Ok(client)) = clients.next().await {
            tokio::spawn(serve(client));
        }
    });

    let mut lines = Framed::new(ClientOptions::new().open(NAME)?, LinesCodec::new());
    for line in ["hello", "and goodbye"] {
        lines.send(line).await?;
        let answer = lines.next().await.ok_or("the server has gone")??;
        println!("{line} -> {answer}");
    }
    Ok(())
}
