//! stub
use crate::batch::{BatchBuilder, Fit};
use crate::position::Epoch;
use std::path::Path;
#[derive(Debug, Clone, Copy)]
pub struct Moment(pub u64);
#[derive(Debug, Default, Clone)]
pub struct Consumed {
    pub bytes: usize,
    pub full: bool,
    pub events: u64,
    pub unparsed: u64,
    pub filtered: u64,
    pub status: [u64; 6],
    pub response_bytes: u64,
}
pub struct Source;
#[derive(Default)] pub struct Pipeline(Vec<u8>);
impl Pipeline {
    pub fn source(&self, _: &Path, _: Epoch) -> Source {
        Source
    }
    pub fn run_chunk(
        &mut self,
        _: &Source,
        chunk: &[u8],
        _at: u64,
        _: Moment,
        b: &mut BatchBuilder,
    ) -> Consumed {
        let mut n = 0;
        let mut ev = 0;
        for l in memchr::memchr_iter(b'\n', chunk) {
            let Some(o) = b.open_item() else {
                return Consumed { bytes: n, full: true, events: ev, ..Default::default() };
            };
            {
                let m = String::from_utf8_lossy(&chunk[n..l]);
                o.extend_from_slice(
                    format!(
                        "{{\"create\":{{\"_id\":\"{_at}.{n}\"}}}}\n{{\"message\":{}}}\n",
                        serde_json::to_string(&m).unwrap()
                    )
                    .as_bytes(),
                );
            }
            if b.close_item() == Fit::Full {
                return Consumed { bytes: n, full: true, events: ev, ..Default::default() };
            };
            n = l + 1;
            ev += 1;
        }
        Consumed { bytes: n, events: ev, ..Default::default() }
    }
    pub fn begin_jumbo(&mut self, _:&Source,_:u64,_:u64,_:Moment,_:bool,_:&mut BatchBuilder){ self.0.clear(); }
 pub fn push_jumbo(&mut self, p:&[u8], _b:&mut BatchBuilder){ self.0.extend_from_slice(p) }
 pub fn end_jumbo(&mut self, b:&mut BatchBuilder)->Fit{ let m=String::from_utf8_lossy(&self.0); let t=format!("{{\"create\":{{\"_id\":\"x\"}}}}\n{{\"message\":{}}}\n", serde_json::to_string(&m).unwrap()); b.open_item().unwrap().extend_from_slice(t.as_bytes()); b.close_item() }
}
