//! HTTP over a pipe, by `hyper`: a server, and a client with two requests on one connection.

use std::convert::Infallible;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use npipe_tokio::named_pipe::{ClientOptions, NamedPipeListener};

const NAME: &str = r"\\.\pipe\example-http";

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = format!("you asked for {}", request.uri().path());
    Ok(Response::new(Full::new(Bytes::from(text))))
}

async fn serve(mut clients: NamedPipeListener) -> std::io::Result<()> {
    loop {
        let client = TokioIo::new(clients.accept().await?);
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(client, service_fn(answer)));
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Outcome {
    tokio::spawn(serve(NamedPipeListener::bind(NAME)?));

    let pipe = TokioIo::new(ClientOptions::new().open(NAME)?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(pipe).await?;
    tokio::spawn(connection);
    for path in ["/first", "/second"] {
        let request = Request::get(path)
            .header("host", "pipe")
            .body(Full::<Bytes>::default())?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        println!("{status}: {}", String::from_utf8_lossy(&body));
    }
    Ok(())
}
