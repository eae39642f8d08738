//! One client of the control socket: bytes in, bytes out.
//!
//! 1. The first message names the version; until it is right, every other one is answered with what is wrong.
//! 2. Every request has one answer, in the order of the requests, also when it is malformed, too long or too slow. The
//!    connection outlives all of these; Suricata closes it without a word.
//! 3. The next request is looked at when the answer before it has been taken. So a client has at most one answer waiting,
//!    whatever it sends, and who does not read is not listened to.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::commands;
use crate::framing::{Fault, Framer, Framing, Moment};
use crate::limits::{HANDSHAKE_BYTES, HANDSHAKE_TIME, REQUEST_BYTES, REQUEST_TIME};
use crate::sensor::Sensor;
use crate::server::{Session, Step};

/// What has been said so far, and what is to be said.
pub(crate) struct Conversation {
    sensor: Arc<dyn Sensor>,
    stage: Stage,
    framer: Framer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Which version is spoken is not known; it has to be by then.
    Greeting {
        until: Moment,
    },
    Speaking(Version),
    /// The greeting did not come in time.
    Over,
}

/// Versions of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// Messages stand side by side.
    V0_1,
    /// Each message is a line.
    V0_2,
}

impl Conversation {
    pub(crate) fn new(sensor: Arc<dyn Sensor>, now: Moment) -> Self {
        let stage = Stage::Greeting { until: now + HANDSHAKE_TIME };
        Self { sensor, stage, framer: Framer::new(Framing::Object, HANDSHAKE_BYTES) }
    }

    fn greet(&mut self, message: &[u8]) -> Value {
        let version = match serde_json::from_slice::<Value>(message) {
            Err(error) => return refusal(&malformed(&error)),
            Ok(greeting) => match greeting.get("version").map(|version| version.as_str()) {
                Some(Some("0.1")) => Version::V0_1,
                Some(Some("0.2")) => Version::V0_2,
                Some(_) => return refusal("Unsupported version: this is 0.1 and 0.2"),
                None => return refusal(r#"The first message names the version: {"version":"0.2"}"#),
            },
        };
        let framing = match version {
            Version::V0_1 => Framing::Object,
            Version::V0_2 => Framing::Line,
        };
        self.framer.switch(framing, REQUEST_BYTES);
        self.stage = Stage::Speaking(version);
        json!({"return": "OK"})
    }

    fn answer(&self, message: &[u8]) -> Value {
        let request: Value = match serde_json::from_slice(message) {
            Ok(request) => request,
            Err(error) => return refusal(&malformed(&error)),
        };
        let Some(fields) = request.as_object() else { return refusal("The request is not an object") };
        match fields.get("command") {
            None => refusal("'command' is missing"),
            Some(Value::String(name)) => match commands::execute(&*self.sensor, name, fields.get("arguments")) {
                Ok(message) => json!({"message": message, "return": "OK"}),
                Err(reason) => refusal(&reason),
            },
            Some(_) => refusal("'command' is not a string"),
        }
    }

    fn say(&self, answer: &Value, out: &mut Vec<u8>) {
        out.extend_from_slice(answer.to_string().as_bytes());
        // Who has not named a version yet is answered in lines: they end somewhere.
        if self.stage != Stage::Speaking(Version::V0_1) {
            out.push(b'\n');
        }
    }
}

impl Session for Conversation {
    fn receive(&mut self, bytes: &[u8], now: Moment) {
        self.framer.push(bytes, now);
    }

    fn step(&mut self, out: &mut Vec<u8>) -> Step {
        if self.stage == Stage::Over {
            return Step::Over;
        }
        let answer = match self.framer.next() {
            None => return Step::Hungry,
            Some(Err(fault)) => refusal(&fault_text(fault)),
            Some(Ok(message)) if matches!(self.stage, Stage::Greeting { .. }) => self.greet(&message),
            Some(Ok(message)) => self.answer(&message),
        };
        self.say(&answer, out);
        Step::Answered
    }

    fn deadline(&self) -> Option<Moment> {
        let request = self.framer.deadline();
        match self.stage {
            Stage::Greeting { until } => Some(request.map_or(until, |at| at.min(until))),
            Stage::Speaking(_) => request,
            Stage::Over => None,
        }
    }

    fn expire(&mut self, now: Moment, out: &mut Vec<u8>) {
        if let Stage::Greeting { until } = self.stage
            && now >= until
        {
            self.say(&refusal(&format!("No version was named within {} s", HANDSHAKE_TIME.as_secs())), out);
            self.stage = Stage::Over;
        } else if let Some(fault) = self.framer.expire(now) {
            self.say(&refusal(&fault_text(fault)), out);
        }
    }

    fn too_many(out: &mut Vec<u8>) {
        out.extend_from_slice(refusal("Too many clients").to_string().as_bytes());
        out.push(b'\n');
    }
}

/// The answer to what is not done.
fn refusal(reason: &str) -> Value {
    json!({"message": reason, "return": "NOK"})
}

fn malformed(error: &serde_json::Error) -> String {
    format!("Malformed JSON: {error}")
}

fn fault_text(fault: Fault) -> String {
    let time = REQUEST_TIME.as_secs();
    match fault {
        Fault::TooLong(limit) => format!("The request has more than {limit} bytes"),
        Fault::Slow(Framing::Line) => format!("The request was not complete within {time} s: it ends with a line feed"),
        Fault::Slow(Framing::Object) => format!("The request was not complete within {time} s"),
        Fault::NotAnObject => "Malformed JSON: the request is not an object".to_owned(),
    }
}

#[cfg(test)]
mod tests;
