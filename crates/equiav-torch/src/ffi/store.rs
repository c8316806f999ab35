//! Where processes meet: `store.cc`.

use std::ffi::{CStr, CString, c_char};
use std::ptr::{self, NonNull};
use std::time::Duration;

use super::{check, equiav_free_message, milliseconds, text};
use crate::TorchError;

/// `EquiavStore` of `group.h`.
#[repr(C)]
pub(super) struct RawStore {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn equiav_store_open(
        host: *const c_char,
        port: u16,
        hosts: i32,
        limit: i64,
        prefix: *const c_char,
        store: *mut *mut RawStore,
    ) -> *mut c_char;
    fn equiav_store_clone(store: *mut RawStore, other: *mut *mut RawStore) -> *mut c_char;
    fn equiav_store_free(store: *mut RawStore);
    fn equiav_store_set(
        store: *mut RawStore,
        key: *const c_char,
        value: *const c_char,
    ) -> *mut c_char;
    fn equiav_store_get(
        store: *mut RawStore,
        key: *const c_char,
        value: *mut *mut c_char,
    ) -> *mut c_char;
    fn equiav_store_add(
        store: *mut RawStore,
        key: *const c_char,
        number: i64,
        sum: *mut i64,
    ) -> *mut c_char;
    fn equiav_store_set_first(
        store: *mut RawStore,
        key: *const c_char,
        value: *const c_char,
        stands: *mut *mut c_char,
    ) -> *mut c_char;
}

/// A connection to the store of a group.
#[derive(Debug)]
pub(crate) struct Store(NonNull<RawStore>);

// SAFETY: c10d's client of a TCPStore takes a lock for every request, so threads may share it.
unsafe impl Send for Store {}
// SAFETY: as above.
unsafe impl Sync for Store {}

/// Where a store is, and whose keys are ours.
#[derive(Clone, Debug)]
pub(crate) struct Address<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) prefix: &'a str,
}

impl Store {
    /// Hosts the store.
    pub(crate) fn host(address: &Address<'_>, limit: Duration) -> Result<Self, TorchError> {
        Self::open(address, 1, limit)
    }

    /// Connects to a store that another process hosts.
    pub(crate) fn visit(address: &Address<'_>, limit: Duration) -> Result<Self, TorchError> {
        Self::open(address, 0, limit)
    }

    fn open(address: &Address<'_>, hosts: i32, limit: Duration) -> Result<Self, TorchError> {
        let (host, prefix) = (text(address.host), text(address.prefix));
        let mut store = ptr::null_mut();
        // SAFETY: both strings outlive the call, and `store` is written where it reports no failure.
        check(unsafe {
            equiav_store_open(
                host.as_ptr(),
                address.port,
                hosts,
                milliseconds(limit),
                prefix.as_ptr(),
                &mut store,
            )
        })?;
        Ok(Self(NonNull::new(store).expect("C++ has made no store")))
    }

    /// Another connection, for another thread: a request of one does not wait for the other's.
    pub(crate) fn again(&self) -> Result<Self, TorchError> {
        let mut store = ptr::null_mut();
        // SAFETY: the store is live, and `store` is written where it reports no failure.
        check(unsafe { equiav_store_clone(self.0.as_ptr(), &mut store) })?;
        Ok(Self(NonNull::new(store).expect("C++ has made no store")))
    }

    /// Sets `key`.
    pub(crate) fn set(&self, key: &str, value: &str) -> Result<(), TorchError> {
        let (key, value) = (text(key), text(value));
        // SAFETY: the store is live, and both strings outlive the call.
        check(unsafe { equiav_store_set(self.0.as_ptr(), key.as_ptr(), value.as_ptr()) })
    }

    /// The value of `key`, if it was set.
    pub(crate) fn get(&self, key: &str) -> Result<Option<String>, TorchError> {
        let key = text(key);
        let mut value = ptr::null_mut();
        // SAFETY: the store is live, the key outlives the call, and `value` is written.
        check(unsafe { equiav_store_get(self.0.as_ptr(), key.as_ptr(), &mut value) })?;
        Ok(owned(value))
    }

    /// Adds to the number at `key`, 0 at first, and tells the sum.
    pub(crate) fn add(&self, key: &str, number: i64) -> Result<i64, TorchError> {
        let key = text(key);
        let mut sum = 0;
        // SAFETY: the store is live, the key outlives the call, and `sum` is written.
        check(unsafe { equiav_store_add(self.0.as_ptr(), key.as_ptr(), number, &mut sum) })?;
        Ok(sum)
    }

    /// Sets `key` unless it is set already, and returns its value.
    pub(crate) fn set_first(&self, key: &str, value: &str) -> Result<String, TorchError> {
        let (key, value): (CString, CString) = (text(key), text(value));
        let mut stands = ptr::null_mut();
        // SAFETY: the store is live, both strings outlive the call, and `stands` is written.
        check(unsafe {
            equiav_store_set_first(self.0.as_ptr(), key.as_ptr(), value.as_ptr(), &mut stands)
        })?;
        Ok(owned(stands).unwrap_or_default())
    }

    pub(super) fn raw(&self) -> *mut RawStore {
        self.0.as_ptr()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: the store is ours, and nobody uses it after this.
        unsafe { equiav_store_free(self.0.as_ptr()) }
    }
}

/// A string that C++ has made for us.
fn owned(value: *mut c_char) -> Option<String> {
    if value.is_null() {
        return None;
    }
    // SAFETY: a value that is not null is a C string that belongs to us until it is freed here.
    unsafe {
        let copy = CStr::from_ptr(value).to_string_lossy().into_owned();
        equiav_free_message(value);
        Some(copy)
    }
}
