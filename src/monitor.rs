//! The endpoint that is asked by HTTP how shipper fares.
//!
//! It has a thread and a runtime of its own, so that whatever is asked, and however often, nothing waits for it that
//! reads or delivers. Every connection has one request and a short time; of more connections than there may be, the
//! one that came first is closed, so that those who say nothing keep nobody out.

mod address;
mod page;

pub use page::{Body, Page, Pages, Reply};

use crate::advice;
use crate::disk::Disk;
use crate::hint::Advised;
use crate::settings::HttpSettings;
use address::{Listener, Place, Stream};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tracing::debug;

/// Longest time for the head of a request to come.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);

/// Longest time for a connection: for the request to come and the answer to be taken.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);

/// Most connections at once.
const CONNECTIONS_MAX: usize = 64;

/// Most descriptors that the endpoint has open: beside connections its socket and its runtime's.
pub const DESCRIPTORS_MAX: u64 = CONNECTIONS_MAX as u64 + 8;

/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// Pause after a failure to accept, as without free descriptors.
const PAUSE: Duration = Duration::from_secs(1);

/// The endpoint; the name of its socket is removed when it is dropped.
#[derive(Debug)]
pub struct Monitor<D: Disk> {
    listener: Listener,
    place: Place<D>,
}

impl<D: Disk> Monitor<D> {
    /// Listens, and serves nobody yet.
    ///
    /// # Errors
    /// When the name has no address, somebody else listens there, or the system refuses; the advice is in the chain of
    /// causes.
    pub fn listen(disk: D, settings: &HttpSettings) -> Result<Self, Advised> {
        let (listener, place) = address::listen(disk, settings)?;
        Ok(Self { listener, place })
    }

    /// Returns where it listens, as people write it.
    #[must_use]
    pub fn place(&self) -> String {
        self.place.to_string()
    }

    /// Tells whether others than this machine may ask.
    #[must_use]
    pub fn is_open_to_others(&self) -> bool {
        self.place.is_open_to_others()
    }

    /// Serves until `stop` says so; to be called on a thread of its own.
    ///
    /// # Errors
    /// When the system gives no runtime.
    pub fn serve(
        self,
        pages: Arc<dyn Pages>,
        mut stop: watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let Self { listener, place } = self;
        runtime.block_on(async move {
            let accepting = accept(listener, pages);
            tokio::select! {
                ended = accepting => ended,
                // Who could say so has gone, or has said so.
                _ = stop.wait_for(|stop| *stop) => Ok(()),
            }
        })?;
        drop(place);
        Ok(())
    }
}

async fn accept(listener: Listener, pages: Arc<dyn Pages>) -> std::io::Result<()> {
    let listener = listener.into_tokio()?;
    let mut connections = Connections::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.tasks.join_next() => continue,
        };
        match accepted {
            Ok(stream) => {
                let pages = Arc::clone(&pages);
                connections.add(async move { converse(stream, pages).await });
            }
            Err(error) => {
                debug!("cannot accept a client of the http endpoint: {}", advice::reason(&error));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The connections, at most [`CONNECTIONS_MAX`].
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// In the order in which they came, with some that have ended.
    open: VecDeque<AbortHandle>,
}

impl Connections {
    fn add(&mut self, conversation: impl Future<Output = ()> + Send + 'static) {
        if CONNECTIONS_MAX <= self.open.len() {
            self.open.retain(|handle| !handle.is_finished());
        }
        if CONNECTIONS_MAX <= self.open.len()
            && let Some(first) = self.open.pop_front()
        {
            first.abort();
        }
        self.open.push_back(self.tasks.spawn(conversation));
    }
}

async fn converse(stream: Box<dyn Stream>, pages: Arc<dyn Pages>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(&*pages, &request);
        async move { Ok::<_, Infallible>(response) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIME_MAX, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!("a client of the http endpoint: {error}"),
        Err(_) => debug!("a client of the http endpoint took too long"),
    }
}

fn answer(pages: &dyn Pages, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, kind, text) = match page::asked(request.uri().path(), request.uri().query()) {
        // What is not there has no methods.
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => refusal.parts(),
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            let text = "only GET and HEAD are answered here\n".to_owned();
            (StatusCode::METHOD_NOT_ALLOWED, page::TEXT, text)
        }
        Err(refusal) => refusal.parts(),
        Ok((page, is_pretty)) => pages.page(&page).parts(is_pretty),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
