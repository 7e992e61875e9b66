//! The contract between what can be done (modules) and how it is done (the engine).

mod bytes;
mod conduct;
mod delivery;
mod dial;
mod diff;
pub mod docker;
mod error;
mod foretold;
mod host;
mod http;
mod module;
mod operation;
mod record;
pub mod replay;
mod restore;
mod step;

pub use conduct::{Mode, Outcome, act, conduct};
pub use delivery::{By, Delivery, Mail, Tls};
pub use dial::{Ask, Dial};
pub use diff::{Change, Content, diff, diff_back, render};
pub use error::{Details, Error, Halfway, Kind, Result, Site, nearest};
pub use foretold::{Foresight, Foretold};
pub use host::{Asset, Host, Look, Output, refusal, refused};
pub use http::{Body, Download, REDIRECTS, Request};
pub use module::{CHANNEL, Entry, Module, Parameter, Role, Typed, parameters};
pub use operation::{Action, Fact, Need, Operation, Reboot, Refresh, Rescue};
pub use record::{Record, Status};
pub use restore::{Back, KEPT, Keepsake, Past, Restored, restore};
pub use step::{Await, Command, Fetch, Source, Step, Upload, Write, quote};
