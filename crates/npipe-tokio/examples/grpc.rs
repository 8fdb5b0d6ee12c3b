//! gRPC over a pipe, by `tonic`. The messages and the service are written by hand, which `tonic-build` does elsewhere.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt;
use hyper_util::rt::TokioIo;
use npipe_tokio::named_pipe::{ClientOptions, NamedPipeExt, NamedPipeListener, NamedPipeServer, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::server::Connected;
use tonic::transport::{Endpoint, Server};
use tonic_prost::ProstCodec;
use tower::service_fn;

const NAME: &str = r"\\.\pipe\example-grpc";
const SAY_HELLO: &str = "/greeter.Greeter/SayHello";

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[derive(Clone, PartialEq, prost::Message)]
struct HelloRequest {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HelloReply {
    #[prost(string, tag = "1")]
    message: String,
}

/// The service: each call knows which process makes it.
#[derive(Clone)]
struct Greeter;

impl UnaryService<HelloRequest> for Greeter {
    type Response = HelloReply;
    type Future = BoxFuture<tonic::Response<HelloReply>, tonic::Status>;

    fn call(&mut self, request: tonic::Request<HelloRequest>) -> Self::Future {
        let caller = request.extensions().get::<Option<Peer>>().cloned().flatten();
        let caller = caller
            .and_then(|peer| peer.pid)
            .map_or("somebody".to_owned(), |pid| format!("process {pid}"));
        let message = format!("hello {}, says the server to {caller}", request.into_inner().name);
        Box::pin(async move { Ok(tonic::Response::new(HelloReply { message })) })
    }
}

impl NamedService for Greeter {
    const NAME: &'static str = "greeter.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let greeter = self.clone();
        Box::pin(async move {
            if request.uri().path() != SAY_HELLO {
                return Ok(tonic::Status::unimplemented("there is only SayHello").into_http());
            }
            let codec = ProstCodec::<HelloReply, HelloRequest>::default();
            Ok(tonic::server::Grpc::new(codec).unary(greeter, request).await)
        })
    }
}

/// A connection, as tonic wants to know it.
struct Connection(NamedPipeServer);

impl Connected for Connection {
    type ConnectInfo = Option<Peer>;

    fn connect_info(&self) -> Option<Peer> {
        NamedPipeExt::peer(&self.0).ok()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Outcome {
    let clients = NamedPipeListener::bind(NAME)?.map(|client| client.map(Connection));
    tokio::spawn(Server::builder().add_service(Greeter).serve_with_incoming(clients));

    // The address is for the requests' headers; the connector decides where they go.
    let connect = |_| async { ClientOptions::new().open(NAME).map(TokioIo::new) };
    let channel = Endpoint::from_static("http://pipe")
        .connect_with_connector(service_fn(connect))
        .await?;
    let mut client = tonic::client::Grpc::new(channel);
    for name in ["Ada", "Grace"] {
        client.ready().await?;
        let request = tonic::Request::new(HelloRequest { name: name.to_owned() });
        let codec = ProstCodec::<HelloRequest, HelloReply>::default();
        let reply: tonic::Response<HelloReply> = client
            .unary(request, PathAndQuery::from_static(SAY_HELLO), codec)
            .await?;
        println!("{}", reply.into_inner().message);
    }
    Ok(())
}
