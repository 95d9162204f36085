//! The models and the code that runs them on candle.
