//! A `tower` service whose requests and replies are messages of a pipe, with a time limit and a limit of calls at once.

use std::time::Duration;

use npipe_tokio::named_pipe::{ClientOptions, NamedPipeListener, NamedPipeServer, PipeMode, ServerOptions};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

const NAME: &str = r"\\.\pipe\example-service";

/// The longest message.
const LIMIT_BYTES: usize = 4096;

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn reverse(mut request: Vec<u8>) -> Result<Vec<u8>, Failure> {
    request.reverse();
    Ok(request)
}

/// Hands the messages of a client to a service, one after another.
async fn serve<S>(client: NamedPipeServer, mut service: S) -> Result<(), Failure>
where
    S: Service<Vec<u8>, Response = Vec<u8>, Error = Failure>,
{
    let mut buffer = vec![0; LIMIT_BYTES];
    loop {
        let outcome = match client.read_message(&mut buffer).await {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        };
        let reply = service.ready().await?.call(buffer[..outcome.bytes].to_vec()).await?;
        client.write_message(&reply).await?;
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Failure> {
    let mut options = ServerOptions::new();
    let mut clients = NamedPipeListener::bind_with(options.pipe_mode(PipeMode::Message), NAME)?;
    let service = ServiceBuilder::new()
        .concurrency_limit(8)
        .timeout(Duration::from_secs(1))
        .service(service_fn(reverse));
    tokio::spawn(async move {
        while let Ok(client) = clients.accept().await {
            tokio::spawn(serve(client, service.clone()));
        }
    });

    let client = ClientOptions::new().pipe_mode(PipeMode::Message).open(NAME)?;
    let mut reply = [0; LIMIT_BYTES];
    for request in ["stressed", "drawer"] {
        let outcome = client.transact(request.as_bytes(), &mut reply).await?;
        println!("{request} -> {}", String::from_utf8_lossy(&reply[..outcome.bytes]));
    }
    Ok(())
}
