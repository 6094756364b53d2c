# kafka-python as a group program (program.ts): eager or cooperative, static members. Commits synchronously after each poll.
import json
import os
import signal
import sys
import time

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

orders = json.loads(sys.argv[1])
bootstrap, group, topic = orders['bootstrap'], orders['group'], orders['topic']
ASSIGNORS = {
    'range': RangePartitionAssignor,
    'roundrobin': RoundRobinPartitionAssignor,
    'cooperative-sticky': CooperativeStickyAssignor,
}


def say(**saying):
    sys.stdout.write(json.dumps({'at': int(time.time() * 1000), **saying}) + '\n')
    sys.stdout.flush()


class Listener(ConsumerRebalanceListener):
    def __init__(self, consumer):
        self.consumer = consumer
        self.pending = {}  # read, and not committed yet

    def on_partitions_assigned(self, assigned):
        say(event='assigned', partitions=[tp.partition for tp in assigned])

    def on_partitions_revoked(self, revoked):
        self.commit([tp for tp in revoked if tp in self.pending])
        self.on_partitions_lost(revoked)

    def on_partitions_lost(self, lost):
        for tp in lost:
            self.pending.pop(tp, None)
        say(event='revoked', partitions=[tp.partition for tp in lost])

    def commit(self, partitions):
        for tp in partitions:
            after = self.pending[tp]
            try:
                self.consumer.commit({tp: OffsetAndMetadata(after, '', -1)})
                say(event='committed', partition=tp.partition, offset=after)
                del self.pending[tp]
            except KafkaError as error:
                sys.stderr.write(f'{error}\n')


def member():
    running = True

    def stop(*_):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    assignor = orders.get('assignor')
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        client_id='compat-kafka-python',
        group_id=group,
        group_instance_id=orders.get('instance'),
        session_timeout_ms=orders['sessionMs'],
        heartbeat_interval_ms=500,
        fetch_max_wait_ms=250,
        reconnect_backoff_max_ms=1000,
        enable_auto_commit=False,
        auto_offset_reset='earliest',
        **({} if assignor is None else {'partition_assignment_strategy': (ASSIGNORS[assignor],)}),
    )
    # A leader that does not know the topic yet assigns nothing, and may not notice later (3.0.12, with Apache Kafka as well).
    consumer.partitions_for_topic(topic)
    listener = Listener(consumer)
    consumer.subscribe([topic], listener=listener)
    while running:
        for tp, records in consumer.poll(timeout_ms=200).items():
            for record in records:
                say(event='record', partition=tp.partition, offset=record.offset)
            listener.pending[tp] = records[-1].offset + 1
        listener.commit(list(listener.pending))
    consumer.close(autocommit=False)


def producer():
    running = True

    def stop(*_):
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    producing = KafkaProducer(bootstrap_servers=bootstrap, client_id='compat-kafka-python', acks='all', enable_idempotence=True)
    sequence = 0
    while running:
        sent = producing.send(topic, key=b'key-%d' % (sequence % orders['keys']), value=b'%d' % sequence)
        sent.add_callback(lambda place, n=sequence: say(event='acked', sequence=n, partition=place.partition, offset=place.offset))
        sent.add_errback(lambda error, n=sequence: say(event='refused', sequence=n, reason=repr(error)))
        sequence += 1
        time.sleep(orders['paceMs'] / 1000)
    producing.flush()
    producing.close()


def tool():
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    op = orders['op']
    if op == 'groups':
        return [found['group_id'] for found in admin.list_groups()]
    if op == 'describe':
        described = admin.describe_groups([group])
        found = described[group] if isinstance(described, dict) else described[0]
        return {'state': found['group_state'], 'members': len(found['members'])}
    if op == 'committed':
        found = admin.list_group_offsets({group: None})[group]
        return {str(tp.partition): om.offset for tp, om in found.items() if tp.topic == topic and om.offset >= 0}
    if op == 'alter':
        offsets = {TopicPartition(topic, int(p)): OffsetAndMetadata(o, '', -1) for p, o in orders['offsets'].items()}
        return admin_errors(admin.alter_group_offsets(group, offsets))
    if op == 'deleteOffsets':
        return admin_errors(admin.delete_group_offsets(group, [TopicPartition(topic, p) for p in range(3)]))
    if op == 'delete':
        return admin_errors(admin.delete_groups([group]))
    raise ValueError(f"this client has no operation '{op}'")


def admin_errors(results):
    for value in results.values():
        name = value if isinstance(value, str) else value.__name__
        if name not in ('OK', 'NoError'):
            raise RuntimeError(name)


if orders['op'] == 'member':
    member()
elif orders['op'] == 'producer':
    producer()
else:
    try:
        print(json.dumps({'result': tool()}))
    except Exception as error:  # told to the run, whatever it is
        print(json.dumps({'error': f'{type(error).__name__}: {error}'}))
        sys.stdout.flush()
        os._exit(1)
sys.stdout.flush()
os._exit(0)
