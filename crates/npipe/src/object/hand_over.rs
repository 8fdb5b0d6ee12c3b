//! Passing an end on: what is put into its capsule, and what becomes of it in the process that takes it out.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use npipe_core::{Access, EndRole, PipeName, PipeType, ReadMode, SecurityDescriptor, SecurityQos, Status, WaitMode};
use npipe_shm::layout::{LAYOUT_VERSION, Layout};
use npipe_shm::object::OBJECT_BYTES;
use serde::{Deserialize, Serialize};

use super::Object;
use crate::background;
use crate::end::link::{Counterpart, Link};
use crate::end::{End, Handle, Home, Shape};
use crate::error::{Error, Result};
use crate::sys::forks::{self, ProcessFd};
use crate::sys::identity::PeerCredentials;
use crate::sys::namespace::Root;
use crate::sys::segment::Segment;
use crate::sys::{SysError, capsule, identity, lifetime};

const INTO: &str = "into_raw";
const FROM: &str = "from_raw";

/// What a process has to know about an end that it takes over, beside the descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Passport {
    layout: u16,
    role: EndRole,
    name: Vec<u16>,
    root: std::path::PathBuf,
    pipe_type: PipeType,
    access: Access,
    max_instances: u32,
    out_quota: u32,
    in_quota: u32,
    max_spin: Duration,
    pipe_id: u64,
    /// The pipe's descriptor, by the last news.
    security: Option<Vec<u8>>,
    /// The process at the other end, as its connection told.
    peer_pid: Option<u32>,
    /// What it lets this end do with its identity, which the connection's socket tells.
    qos: SecurityQos,
    creator: u32,
    /// In which the processes that hold the end have their numbers.
    pid_namespace: Option<u64>,
}

/// How many descriptors a capsule carries; a server end's has one more, with which its place in the pipe goes.
const CARRIED: usize = 4;

impl Handle {
    /// Gives this handle up for a descriptor that another process can take over.
    pub(crate) fn into_raw(self) -> Result<OwnedFd> {
        let fail = |status| Error::new(status, INTO).about(&self.shape.name);
        self.require_live().map_err(fail)?;
        let link = self.link().ok_or_else(|| {
            let detail =
                "only an end in a connection can be passed on; a listening instance stays where it was created";
            fail(Status::InvalidPipeState).because(detail)
        })?;
        let object = match link.object() {
            Some(object) => object.clone(),
            None => self.share(&link)?,
        };
        let raw = self.seal(&link, &object)?;
        object.send_off();
        Ok(raw)
    }

    /// Makes an object of an end that this process alone has held so far.
    fn share(&self, link: &Arc<Link>) -> Result<Arc<Object>> {
        let fail = |status| Error::new(status, INTO).about(&self.shape.name);
        let failed = |error| Error::from_sys(error, INTO).about(&self.shape.name);
        if link.descriptor().is_none() {
            let detail = "this end was made without shareable(true), so what another process needs of it was not kept";
            return Err(fail(Status::NotSupported).because(detail));
        }
        let (own, memory) = Object::make_segment().map_err(failed)?;
        let bell = lifetime::bell().map_err(failed)?;
        let place = match &self.home {
            Home::Server { seat: Some(_), .. } => {
                let unforked = forks::put_off();
                let pipe = std::io::pipe().map(|(place, presence)| {
                    let own = |end: OwnedFd| ProcessFd::from(end);
                    (own(place.into()), own(presence.into()))
                });
                drop(unforked);
                Some(pipe.map_err(|error| failed(SysError::new("create a pipe", error)))?)
            }
            _ => None,
        };
        let (place, presence) = place.unzip();
        let object = Object::join((own, memory.into()), bell, presence);
        let object = object.map_err(|_| fail(Status::InsufficientResources))?;
        if let Some(place) = place {
            object.keep_place(place);
        }
        let object = self.become_object(link, Arc::new(object)).map_err(failed)?;
        object.ok_or_else(|| fail(Status::PipeDisconnected))
    }

    /// Puts what another process needs into a descriptor.
    fn seal(&self, link: &Link, object: &Object) -> Result<OwnedFd> {
        let fail = |status| Error::new(status, INTO).about(&self.shape.name);
        let passport = postcard::to_stdvec(&Passport::of(self, link))
            .map_err(|_| fail(Status::InvalidParameter).because("the namespace's path is too long to be passed on"))?;
        let segment = link.descriptor().ok_or_else(|| fail(Status::NotSupported))?;
        let (memory, bell, presence) = object.descriptors();
        let mut carried = vec![memory, bell, link.socket(), segment];
        carried.extend(presence);
        capsule::seal(&passport, &carried).map_err(|error| Error::from_sys(error, INTO).about(&self.shape.name))
    }

    /// Takes over an end that another process has passed on.
    pub(crate) fn from_raw(raw: OwnedFd, role: EndRole) -> Result<Handle> {
        let wrong = |why: &'static str| Error::new(Status::InvalidHandle, FROM).because(why);
        let failed = |error: SysError| match error.kind() {
            std::io::ErrorKind::InvalidData => wrong("what is in it is no end of this version of npipe"),
            _ => Error::from_sys(error, FROM),
        };
        background::start().map_err(failed)?;
        let opened = capsule::open(&raw);
        let (bytes, carried) = opened.map_err(|error| match error.is_descriptor_shortage() {
            true => Error::from_sys(error, FROM),
            false => wrong("the descriptor is not one that into_raw has given, or was taken up before"),
        })?;
        let passport: Passport = postcard::from_bytes(&bytes)
            .ok()
            .filter(|passport: &Passport| passport.layout == LAYOUT_VERSION)
            .ok_or_else(|| wrong("it holds no end of this version of npipe"))?;
        if passport.role != role {
            let detail = match role {
                EndRole::Server => "it is the client end of a pipe, not the server end",
                EndRole::Client => "it is the server end of a pipe, not the client end",
            };
            return Err(Error::new(Status::InvalidParameter, FROM).because(detail));
        }
        let mut carried = carried.into_iter();
        let mut next = || carried.next().ok_or_else(|| wrong("it lacks a descriptor"));
        let [memory, bell, socket, segment]: [ProcessFd; CARRIED] = [next()?, next()?, next()?, next()?];
        if identity::owner_of(memory.as_fd()).map_err(failed)? != identity::own_uid() {
            let detail = "an end is passed on between processes of one user";
            return Err(Error::new(Status::AccessDenied, FROM).because(detail));
        }
        if passport.pid_namespace != lifetime::namespace() {
            let detail = "an end is passed on between processes of one process namespace";
            return Err(Error::new(Status::NotSupported, FROM).because(detail));
        }
        let own_memory = Segment::attach(&memory, OBJECT_BYTES, OBJECT_BYTES as usize).map_err(failed)?;
        let shape = passport.shape()?;
        let layout = Layout::new(shape.out_quota, shape.in_quota);
        let own_segment =
            Segment::attach(&segment, layout.total_bytes(), Layout::first_bytes() as usize).map_err(failed)?;
        let peer = passport.counterpart(identity::peer_credentials(socket.as_fd()).map_err(failed)?);
        let (side, socket) = (passport.role.into(), Arc::new(socket));
        let link = Link::new(own_segment, layout, side, socket, peer, shape.max_spin, Some(segment));
        let object = Object::join((own_memory, memory), bell, carried.next())
            .map_err(|_| Error::new(Status::InsufficientResources, FROM).because("too many processes hold this end"))?;
        object.arrive();
        let handle = Handle::new(End::new(shape, passport.home(), ReadMode::Byte, WaitMode::Wait));
        passport.tell_security(&handle);
        handle.adopt(&link, Arc::new(object)).map_err(failed)?;
        Ok(handle)
    }
}

impl Passport {
    fn of(end: &End, link: &Link) -> Passport {
        let shape = &end.shape;
        Passport {
            layout: LAYOUT_VERSION,
            role: end.role(),
            name: shape.name.units().to_vec(),
            root: std::path::absolute(shape.root.path()).unwrap_or_else(|_| shape.root.path().to_owned()),
            pipe_type: shape.pipe_type,
            access: shape.access,
            max_instances: shape.max_instances,
            out_quota: shape.out_quota,
            in_quota: shape.in_quota,
            max_spin: shape.max_spin,
            pipe_id: end.pipe_id(),
            security: end.known_security().map(|descriptor| descriptor.encode()),
            peer_pid: link.peer().pid,
            qos: link.qos(),
            creator: shape.creator,
            pid_namespace: lifetime::namespace(),
        }
    }

    fn shape(&self) -> Result<Shape> {
        let name = PipeName::from_units(&self.name).map_err(|status| Error::new(status, FROM))?;
        Ok(Shape {
            root: Root::at(&self.root).map_err(|error| Error::from_sys(error, FROM).about(&name))?,
            name,
            pipe_type: self.pipe_type,
            access: self.access,
            max_instances: self.max_instances,
            out_quota: self.out_quota,
            in_quota: self.in_quota,
            max_spin: self.max_spin,
            is_shareable: true,
            creator: self.creator,
        })
    }

    /// Who is at the other end: by the kernel's word, but for the process, which may be another one of the same user.
    fn counterpart(&self, mut who: PeerCredentials) -> Counterpart {
        who.pid = self.peer_pid;
        let (qos, processor) = (self.qos, None);
        Counterpart { who, qos, processor }
    }

    /// What the end knows of the pipe's descriptor, if it makes sense.
    fn tell_security(&self, end: &End) {
        let known = self.security.as_deref().map(SecurityDescriptor::decode);
        if let Some(Ok(security)) = known {
            let _ = end.security.set(Arc::new(Mutex::new(security)));
        }
    }

    fn home(&self) -> Home {
        match self.role {
            EndRole::Client => Home::Client { pipe_id: self.pipe_id },
            EndRole::Server => Home::Server {
                pipe_id: self.pipe_id,
                seat: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use npipe_core::{ImpersonationLevel, Reader, Writer};
    use npipe_shm::layout::Side;
    use npipe_shm::ring::{RingInlet, RingOutlet};

    use super::*;
    use crate::end::wait::tests::link;

    /// Changes with any byte.
    fn fingerprint(bytes: &[u8]) -> u32 {
        bytes.iter().fold(0x811c_9dc5, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        })
    }

    /// Processes of another version are told by [`LAYOUT_VERSION`] alone: what they would read says nothing of its own form.
    ///
    /// semantics 190
    #[test]
    fn what_is_passed_on_has_the_form_of_its_version() {
        let link = link(Duration::ZERO);
        let absent = Status::PipeListening;
        let mut reading = Reader::new(PipeType::Message, ReadMode::Byte, WaitMode::Wait, absent);
        reading.attach(RingInlet::new(link.clone(), Side::Server), 4096);
        let mut writing = Writer::new(PipeType::Message, 4, absent);
        writing.attach(RingOutlet::new(link, Side::Server));
        // Calls that wait are a part of it.
        reading.read(&mut [0; 16]).expect("it waits");
        writing.write(&[7; 16], WaitMode::Wait).expect("it waits");
        let (inlet, reader) = reading.parts();
        let read = postcard::to_stdvec(&(reader, inlet.map(|lane| lane.state())));
        let (outlet, writer) = writing.parts();
        let written = postcard::to_stdvec(&(writer, outlet.map(|lane| lane.state())));
        let passport = postcard::to_stdvec(&Passport {
            layout: LAYOUT_VERSION,
            role: EndRole::Client,
            name: vec![b'x'.into()],
            root: "/root".into(),
            pipe_type: PipeType::Message,
            access: Access::from_win32(3),
            max_instances: 4,
            out_quota: 5,
            in_quota: 6,
            max_spin: Duration::from_micros(7),
            pipe_id: 8,
            security: Some(vec![9]),
            peer_pid: Some(10),
            qos: SecurityQos {
                level: ImpersonationLevel::Delegation,
                dynamic_tracking: true,
                effective_only: false,
            },
            creator: 11,
            pid_namespace: Some(12),
        });
        let forms = [read, written, passport].map(|image| fingerprint(&image.expect("it is short")));
        // Another form is another version: change both lines.
        assert_eq!((LAYOUT_VERSION, forms), (3, [0xFA86_BB8F, 0xCFCC_3680, 0xCC49_B386]));
    }
}
