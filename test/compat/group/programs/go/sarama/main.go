// sarama as a group program (program.ts): eager. Its Commit waits for the answer but does not tell what it was, so no commit is reported.
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

	"github.com/IBM/sarama"
)

type ordersType struct {
	Op, Bootstrap, Group, Topic, Instance, Assignor string
	SessionMs, Keys, PaceMs                         int
	Offsets                                         map[string]int64
}

var (
	orders ordersType
	mouth  sync.Mutex
)

func say(saying map[string]any) {
	mouth.Lock()
	defer mouth.Unlock()
	saying["at"] = time.Now().UnixMilli()
	line, _ := json.Marshal(saying)
	os.Stdout.Write(append(line, '\n'))
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.ClientID = "compat-sarama"
	c.Version = sarama.V4_0_0_0
	c.Consumer.Group.Session.Timeout = time.Duration(orders.SessionMs) * time.Millisecond
	c.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	c.Consumer.Group.InstanceId = orders.Instance
	c.Consumer.MaxWaitTime = 50 * time.Millisecond
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Return.Errors = true
	strategies := map[string]sarama.BalanceStrategy{
		"range": sarama.NewBalanceStrategyRange(), "roundrobin": sarama.NewBalanceStrategyRoundRobin(), "sticky": sarama.NewBalanceStrategySticky(),
	}
	if orders.Assignor != "" {
		c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategies[orders.Assignor]}
	}
	return c
}

type handler struct{}

func (handler) Setup(session sarama.ConsumerGroupSession) error {
	say(map[string]any{"event": "assigned", "whole": true, "partitions": append([]int32{}, session.Claims()[orders.Topic]...)})
	return nil
}

func (handler) Cleanup(sarama.ConsumerGroupSession) error {
	say(map[string]any{"event": "revoked"})
	return nil
}

func (handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			say(map[string]any{"event": "record", "partition": message.Partition, "offset": message.Offset})
			session.MarkMessage(message, "")
			if len(claim.Messages()) == 0 { // a commit waits behind the fetches of its connection
				session.Commit()
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func member() error {
	group, err := sarama.NewConsumerGroup(brokers(), orders.Group, config())
	if err != nil {
		return err
	}
	go func() {
		for err := range group.Errors() {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{orders.Topic}, handler{}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			time.Sleep(200 * time.Millisecond)
		}
	}
	return group.Close()
}

func brokers() []string { return strings.Split(orders.Bootstrap, ",") }

func producer() error {
	c := config()
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	c.Producer.Retry.Max = 200
	c.Producer.Return.Successes = true
	producer, err := sarama.NewAsyncProducer(brokers(), c)
	if err != nil {
		return err
	}
	var told sync.WaitGroup
	told.Add(2)
	go func() {
		defer told.Done()
		for sent := range producer.Successes() {
			say(map[string]any{"event": "acked", "sequence": sent.Metadata, "partition": sent.Partition, "offset": sent.Offset})
		}
	}()
	go func() {
		defer told.Done()
		for refused := range producer.Errors() {
			say(map[string]any{"event": "refused", "sequence": refused.Msg.Metadata, "reason": refused.Err.Error()})
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for sequence := 0; ctx.Err() == nil; sequence++ {
		key := "key-" + strconv.Itoa(sequence%orders.Keys)
		producer.Input() <- &sarama.ProducerMessage{
			Topic: orders.Topic, Key: sarama.StringEncoder(key), Value: sarama.StringEncoder(strconv.Itoa(sequence)), Metadata: sequence,
		}
		time.Sleep(time.Duration(orders.PaceMs) * time.Millisecond)
	}
	producer.AsyncClose()
	told.Wait()
	return nil
}

func tool() (any, error) {
	admin, err := sarama.NewClusterAdmin(brokers(), config())
	if err != nil {
		return nil, err
	}
	group, topic := orders.Group, orders.Topic
	switch orders.Op {
	case "groups":
		groups, err := admin.ListConsumerGroups()
		names := []string{}
		for name := range groups {
			names = append(names, name)
		}
		return names, err
	case "describe":
		found, err := admin.DescribeConsumerGroups([]string{group})
		if err != nil {
			return nil, err
		}
		return map[string]any{"state": found[0].State, "members": len(found[0].Members)}, nil
	case "committed":
		answer, err := admin.ListConsumerGroupOffsets(group, nil)
		if err != nil {
			return nil, err
		}
		found := map[string]int64{}
		for partition, block := range answer.Blocks[topic] {
			if block.Offset >= 0 {
				found[strconv.Itoa(int(partition))] = block.Offset
			}
		}
		return found, nil
	case "alter":
		offsets := map[int32]sarama.OffsetAndMetadata{}
		for partition, offset := range orders.Offsets {
			number, _ := strconv.Atoi(partition)
			offsets[int32(number)] = sarama.OffsetAndMetadata{Offset: offset, LeaderEpoch: -1}
		}
		answer, err := admin.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{topic: offsets}, nil)
		if err != nil {
			return nil, err
		}
		for _, code := range answer.Errors[topic] {
			if !errors.Is(code, sarama.ErrNoError) {
				return nil, code
			}
		}
		return nil, nil
	case "deleteOffsets":
		for partition := range int32(3) {
			if err := admin.DeleteConsumerGroupOffset(group, topic, partition); err != nil {
				return nil, err
			}
		}
		return nil, nil
	case "delete":
		return nil, admin.DeleteConsumerGroup(group)
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
		line, _ := json.Marshal(map[string]any{"error": err.Error()})
		fmt.Println(string(line))
		os.Exit(1)
	}
}
