package devserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cogniverse/cogflow/fault"
)

const (
	namespace = client.DefaultNamespace
	// retention keeps finished workflows for the Web UI and `cogflow list`; the
	// dev server's own default is one day.
	retention = 30 * 24 * time.Hour
	pollEvery = 50 * time.Millisecond
)

// SearchAttributes are what cogflow's workflows set.
func SearchAttributes() map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{
		"CogTenant":  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"CogKind":    enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"CogProfile": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"CogStage":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"CogFailed":  enumspb.INDEXED_VALUE_TYPE_INT,
		"CogCostUSD": enumspb.INDEXED_VALUE_TYPE_DOUBLE,
	}
}

// Register adds to a namespace the search attributes that it lacks. It works on
// every Temporal server, not only on this package's; there it may need an
// operator's rights. An attribute of the same name and another type is an input
// fault.
func Register(ctx context.Context, c client.Client, namespace string) error {
	have, err := c.OperatorService().ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fault.Wrap(fault.Transport, "list search attributes", namespace, err)
	}
	lacking := map[string]enumspb.IndexedValueType{}
	for name, want := range SearchAttributes() {
		switch got := have.GetCustomAttributes()[name]; got {
		case want:
		case enumspb.INDEXED_VALUE_TYPE_UNSPECIFIED:
			lacking[name] = want
		default:
			return fault.New(fault.Input, "register search attribute", name,
				fmt.Sprintf("namespace %s has it as %s, want %s: remove it there", namespace, got, want))
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: lacking,
	})
	return fault.Wrap(fault.Transport, "register search attributes", namespace, err)
}

// prepare waits until the frontend answers, then makes the namespace ready.
func (s *Server) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	c, err := dial(s.address)
	if err != nil {
		return fault.Wrap(fault.Transport, "start Temporal server", s.address, err)
	}
	defer c.Close()
	found, err := s.healthy(ctx, c)
	if err != nil {
		return err
	}
	if found.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration() < retention {
		_, err := c.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
			Namespace: namespace,
			Config:    &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(retention)},
		})
		if err != nil {
			return fault.Wrap(fault.Transport, "set the retention of namespace", namespace, err)
		}
	}
	return Register(ctx, c, namespace)
}

func (s *Server) healthy(ctx context.Context, c client.Client) (*workflowservice.DescribeNamespaceResponse, error) {
	for {
		attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
		found, err := describeDefault(attempt, c)
		cancel()
		if err == nil {
			return found, nil
		}
		select {
		case <-s.done:
			return nil, s.err
		case <-ctx.Done():
			return nil, &fault.Error{
				Class: fault.Transport, Op: "start Temporal server", Subject: s.address,
				Reason: "it does not answer; see " + s.log + tail(s.log), Err: errors.Join(ctx.Err(), err),
			}
		case <-time.After(pollEvery):
		}
	}
}

func describeDefault(ctx context.Context, c client.Client) (*workflowservice.DescribeNamespaceResponse, error) {
	return c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
}

// dial returns a client that connects when it is first used.
func dial(address string) (client.Client, error) {
	return client.NewLazyClient(client.Options{
		HostPort: address, Namespace: namespace,
		Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
}
