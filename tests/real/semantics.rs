use super::lab::Promise;
pub const PROMISES: &[Promise] = &[];
