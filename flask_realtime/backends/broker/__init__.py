"""Events between several servers over a message broker that stores no state: RabbitMQ, Kafka."""
