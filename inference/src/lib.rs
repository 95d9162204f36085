//! The recognition service: a bounded pool of workers over the models.
