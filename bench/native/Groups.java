// A group as its members see it: how long until it is stable again after a change. Eight consumers of one process, each on a thread of its own that
// polls all the time; stable is when the members there are have one generation and all partitions among them.
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class Groups {
    static final Map<Integer, int[]> owned = new ConcurrentHashMap<>();
    static final Map<Integer, Integer> generations = new ConcurrentHashMap<>();
    static volatile Throwable failure;

    static final class Member extends Thread {
        final int id;
        final Properties config;
        final String topic;
        volatile boolean over;

        Member(int id, Properties config, String topic) {
            this.id = id;
            this.config = config;
            this.topic = topic;
            start();
        }

        @Override public void run() {
            try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
                consumer.subscribe(List.of(topic), new ConsumerRebalanceListener() {
                    @Override public void onPartitionsRevoked(Collection<TopicPartition> gone) { owned.remove(id); }
                    @Override public void onPartitionsAssigned(Collection<TopicPartition> all) {
                        generations.put(id, consumer.groupMetadata().generationId());
                        owned.put(id, all.stream().mapToInt(TopicPartition::partition).toArray());
                    }
                });
                while (!over) consumer.poll(Duration.ofMillis(20));
                owned.remove(id);
                generations.remove(id);
            } catch (Throwable error) {
                failure = error;
            }
        }

        void end() throws InterruptedException {
            over = true;
            join();
        }
    }

    /** Milliseconds since `from` until these members, and no others, share all partitions in one generation. */
    static double stable(Set<Integer> members, int partitions, long from) throws Exception {
        for (;;) {
            if (failure != null) throw new Exception(failure);
            int sum = 0;
            Set<Integer> at = new HashSet<>();
            boolean all = owned.keySet().equals(members);
            for (int id : members) {
                int[] part = owned.get(id);
                if (part == null) { all = false; break; }
                sum += part.length;
                at.add(generations.get(id));
            }
            double ms = (System.nanoTime() - from) / 1e6;
            if (all && sum == partitions && at.size() == 1) return ms;
            if (ms > 60_000) throw new Exception("not stable after a minute: " + owned.keySet() + " of " + members + ", " + sum + " partitions, generations " + at);
            Thread.sleep(0, 200_000);
        }
    }

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0], topic = args[1], name = args[2];
        int size = Integer.parseInt(args[3]), partitions = Integer.parseInt(args[4]), rounds = Integer.parseInt(args[5]);
        for (int round = 0; round < rounds; round++) {
            Properties config = new Properties();
            config.put("bootstrap.servers", bootstrap);
            config.put("group.id", name + "-" + round);
            config.put("heartbeat.interval.ms", args[6]);
            config.put("session.timeout.ms", "30000");
            config.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
            config.put("key.deserializer", ByteArrayDeserializer.class.getName());
            config.put("value.deserializer", ByteArrayDeserializer.class.getName());
            Map<Integer, Member> members = new TreeMap<>();
            long from = System.nanoTime();
            for (int i = 0; i < size; i++) members.put(i, new Member(i, config, topic));
            double join = stable(members.keySet(), partitions, from);
            from = System.nanoTime();
            members.remove(size - 1).end();
            double leave = stable(members.keySet(), partitions, from);
            from = System.nanoTime();
            int next = size;
            for (int id : new ArrayList<>(members.keySet())) {
                members.remove(id).end();
                members.put(next, new Member(next, config, topic));
                next++;
                stable(members.keySet(), partitions, System.nanoTime());
            }
            double rolling = (System.nanoTime() - from) / 1e6;
            for (Member member : members.values()) member.over = true;
            for (Member member : members.values()) member.join();
            owned.clear();
            generations.clear();
            System.out.printf(Locale.ROOT, "{\"join\":%.1f,\"leave\":%.1f,\"rolling\":%.1f}%n", join, leave, rolling);
        }
    }
}
