use super::*;

struct Known;

impl Pages for Known {
    fn metrics(&self) -> Result<String, String> {
        Ok("flumen_up 1\n".to_owned())
    }
    fn health(&self) -> Result<(), String> {
        Ok(())
    }
    fn readiness(&self) -> Result<(), String> {
        Err("no interface is up".to_owned())
    }
}

fn exchange() -> Exchange {
    Exchange::new(Arc::new(Known), Moment::ZERO)
}

/// What is answered to a request that comes in `pieces`.
fn told(pieces: &[&[u8]]) -> String {
    let mut exchange = exchange();
    let mut out = Vec::new();
    for piece in pieces {
        exchange.receive(piece, Moment::ZERO);
        while exchange.step(&mut out) == Step::Answered {}
    }
    String::from_utf8(out).expect("text")
}

fn status(request: &str) -> String {
    told(&[request.as_bytes()]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn metrics_then_whole_response() {
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 12\r\n\
                Connection: close\r\n\r\n";
    assert_eq!(told(&[b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"]), format!("{text}flumen_up 1\n"));
    assert_eq!(told(&[b"HEAD /metrics HTTP/1.1\r\n\r\n"]), text, "HEAD says how long it would be");
    let pieces: Vec<&[u8]> = b"GET /metrics?x=1 HTTP/1.0\n\n".chunks(1).collect();
    assert!(told(&pieces).ends_with("\r\n\r\nflumen_up 1\n"), "byte by byte, and without carriage returns");
}

#[test]
fn other_requests_then_their_status() {
    for (request, expected) in [
        ("GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK"),
        ("GET /readyz HTTP/1.1\r\n\r\n", "HTTP/1.1 503 Service Unavailable"),
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        ("GET /../../etc/passwd HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        ("POST /metrics HTTP/1.1\r\n\r\n{}", "HTTP/1.1 405 Method Not Allowed"),
        ("GET /metrics HTTP/2\r\n\r\n", "HTTP/1.1 505 HTTP Version Not Supported"),
        ("GET /metrics\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("\r\n\r\n", "HTTP/1.1 400 Bad Request"),
        ("\u{1}\u{2}\n\n", "HTTP/1.1 400 Bad Request"),
    ] {
        assert_eq!(status(request), expected, "{request:?}");
    }
    assert!(told(&[b"PUT / HTTP/1.1\n\n"]).contains("Allow: GET, HEAD\r\n"));
}

#[test]
fn head_too_large_or_too_late_then_told_and_over() {
    let large = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(HTTP_HEAD_BYTES));
    assert_eq!(status(&large), "HTTP/1.1 431 Request Header Fields Too Large");
    assert_eq!(status(&"x".repeat(HTTP_HEAD_BYTES + 1)), "HTTP/1.1 431 Request Header Fields Too Large");
    let mut late = exchange();
    late.receive(b"GET /me", Moment::ZERO);
    let mut out = Vec::new();
    assert_eq!(late.step(&mut out), Step::Hungry);
    late.expire(HTTP_HEAD_TIME, &mut out);
    assert!(out.starts_with(b"HTTP/1.1 408 "));
    assert_eq!((late.step(&mut out), late.deadline()), (Step::Over, None));
}

#[test]
fn address_that_others_reach_then_refused() {
    let error = HttpServer::start("0.0.0.0:0".parse().expect("an address"), Arc::new(Known)).expect_err("not loopback");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn random_bytes_then_never_more_than_one_response() {
    for seed in 1..500_u64 {
        let mut state = seed;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize
        };
        let mut request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"[..random() % 43].to_vec();
        request.extend((0..random() % 60).map(|_| b"\r\n GE/\x00\xff:"[random() % 9]));
        let pieces: Vec<&[u8]> = request.chunks(1 + random() % 20).collect();
        assert!(told(&pieces).matches("HTTP/1.1 ").count() <= 1, "seed {seed}");
    }
}
