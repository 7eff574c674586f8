"""Events of several servers over a message broker that keeps nothing else: RabbitMQ, Kafka."""
