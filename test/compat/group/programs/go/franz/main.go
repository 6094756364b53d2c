// franz-go as a group program (program.ts). Commits synchronously after each poll, and blocks rebalances in between.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type ordersType struct {
	Op, Bootstrap, Group, Topic, Instance, Assignor string
	SessionMs, Keys, PaceMs                         int
	Offsets                                         map[string]int64
}

var orders ordersType

func say(saying map[string]any) {
	saying["at"] = time.Now().UnixMilli()
	line, _ := json.Marshal(saying)
	os.Stdout.Write(append(line, '\n'))
}

// Read, and not committed yet: the last record of each partition.
var (
	pending = map[int32]*kgo.Record{}
	lock    sync.Mutex
)

func commit(client *kgo.Client) {
	lock.Lock()
	defer lock.Unlock()
	for partition, record := range pending {
		if err := client.CommitRecords(context.Background(), record); err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		say(map[string]any{"event": "committed", "partition": partition, "offset": record.Offset + 1})
		delete(pending, partition)
	}
}

func revoked(ctx context.Context, client *kgo.Client, parts map[string][]int32) {
	commit(client)
	lost(ctx, client, parts)
}

func lost(ctx context.Context, client *kgo.Client, parts map[string][]int32) {
	lock.Lock()
	for _, partition := range parts[orders.Topic] {
		delete(pending, partition)
	}
	lock.Unlock()
	moved("revoked")(ctx, client, parts)
}

func moved(event string) func(context.Context, *kgo.Client, map[string][]int32) {
	return func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
		say(map[string]any{"event": event, "partitions": append([]int32{}, parts[orders.Topic]...)})
	}
}

func member() error {
	balancers := map[string]kgo.GroupBalancer{
		"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(), "cooperative-sticky": kgo.CooperativeStickyBalancer(),
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(brokers()...), kgo.ClientID("compat-franz-go"), kgo.ConsumerGroup(orders.Group), kgo.ConsumeTopics(orders.Topic),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.SessionTimeout(time.Duration(orders.SessionMs) * time.Millisecond),
		kgo.HeartbeatInterval(500 * time.Millisecond), kgo.FetchMaxWait(250 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(moved("assigned")), kgo.OnPartitionsRevoked(revoked), kgo.OnPartitionsLost(lost),
	}
	if orders.Instance != "" {
		options = append(options, kgo.InstanceID(orders.Instance))
	}
	if orders.Assignor != "" {
		options = append(options, kgo.Balancers(balancers[orders.Assignor]))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(record *kgo.Record) {
			say(map[string]any{"event": "record", "partition": record.Partition, "offset": record.Offset})
			lock.Lock()
			pending[record.Partition] = record
			lock.Unlock()
		})
		commit(client)
		client.AllowRebalance()
	}
	client.CloseAllowingRebalance()
	return nil
}

func brokers() []string { return strings.Split(orders.Bootstrap, ",") }

func producer() error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers()...), kgo.ClientID("compat-franz-go"), kgo.DefaultProduceTopic(orders.Topic))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for sequence := 0; ctx.Err() == nil; sequence++ {
		key := "key-" + strconv.Itoa(sequence%orders.Keys)
		client.Produce(context.Background(), kgo.KeyStringRecord(key, strconv.Itoa(sequence)), func(record *kgo.Record, err error) {
			if err != nil {
				say(map[string]any{"event": "refused", "sequence": sequence, "reason": err.Error()})
				return
			}
			say(map[string]any{"event": "acked", "sequence": sequence, "partition": record.Partition, "offset": record.Offset})
		})
		time.Sleep(time.Duration(orders.PaceMs) * time.Millisecond)
	}
	err = client.Flush(context.Background())
	client.Close()
	return err
}

func tool() (any, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers()...))
	if err != nil {
		return nil, err
	}
	admin := kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	group, topic := orders.Group, orders.Topic
	switch orders.Op {
	case "groups":
		groups, err := admin.ListGroups(ctx)
		return groups.Groups(), err
	case "describe":
		groups, err := admin.DescribeGroups(ctx, group)
		if err == nil {
			err = groups[group].Err
		}
		return map[string]any{"state": groups[group].State, "members": len(groups[group].Members)}, err
	case "committed":
		offsets, err := admin.FetchOffsets(ctx, group)
		found := map[string]int64{}
		for partition, offset := range offsets[topic] {
			found[strconv.Itoa(int(partition))] = offset.At
		}
		return found, err
	case "alter":
		offsets := kadm.Offsets{}
		for partition, offset := range orders.Offsets {
			number, _ := strconv.Atoi(partition)
			offsets.AddOffset(topic, int32(number), offset, -1)
		}
		answered, err := admin.CommitOffsets(ctx, group, offsets)
		return nil, errors.Join(err, answered.Error())
	case "deleteOffsets":
		set := kadm.TopicsSet{}
		set.Add(topic, 0, 1, 2)
		answered, err := admin.DeleteOffsets(ctx, group, set)
		return nil, errors.Join(err, answered.Error())
	case "delete":
		_, err := admin.DeleteGroup(ctx, group)
		return nil, err
	case "lag":
		lags, err := admin.Lag(ctx, group)
		found := map[string]int64{}
		for partition, lag := range lags[group].Lag[topic] {
			found[strconv.Itoa(int(partition))] = lag.Lag
		}
		described := lags[group]
		return found, errors.Join(err, described.Error())
	}
	return nil, fmt.Errorf("this client has no operation '%s'", orders.Op)
}

func main() {
	if err := json.Unmarshal([]byte(os.Args[1]), &orders); err != nil {
		panic(err)
	}
	var result any
	var err error
	if orders.Op == "member" {
		err = member()
	} else if orders.Op == "producer" {
		err = producer()
	} else if result, err = tool(); err == nil {
		line, _ := json.Marshal(map[string]any{"result": result})
		fmt.Println(string(line))
	}
	if err != nil {
		message := err.Error()
		var answered *kerr.Error
		if errors.As(err, &answered) {
			message = answered.Message + ": " + message
		}
		line, _ := json.Marshal(map[string]any{"error": message})
		fmt.Println(string(line))
		os.Exit(1)
	}
}
