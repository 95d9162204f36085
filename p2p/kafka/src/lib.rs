//! Event streams for any Kafka client.
