//! The methods, by what they are about.

mod blocks;
mod changes;
mod fees;
mod node;
mod pool;
mod state;
mod subscribe;
mod transactions;

use std::future::Future;
use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;

use crate::rpc::Context;
use crate::rpc::error::RpcError;
use crate::rpc::params::{self, Arguments};

/// Registers every method.
pub(crate) fn module(context: Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context);
    node::register(&mut module);
    blocks::register(&mut module);
    transactions::register(&mut module);
    state::register(&mut module);
    fees::register(&mut module);
    pool::register(&mut module);
    changes::register(&mut module);
    subscribe::register(&mut module);
    module
}

/// Registers one method. Its arguments are read before it runs.
fn method<A, R, F, Fut>(module: &mut RpcModule<Context>, name: &'static str, call: F)
where
    A: Arguments,
    R: Serialize + Clone + Send + 'static,
    F: Fn(Arc<Context>, A) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<R, RpcError>> + Send,
{
    let registered = module.register_async_method(name, move |params, context, _| {
        let arguments = params::read::<A>(&params);
        let call = call.clone();
        async move {
            call(context, arguments?)
                .await
                .map_err(ErrorObjectOwned::from)
        }
    });
    registered.expect("each name is registered once");
}
