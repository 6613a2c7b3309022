package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"github.com/cogniverse/cogflow/fault"
)

// A worker waits up to namespaceWait for a namespace that does not exist, and checks it every
// namespacePause. A new namespace takes seconds to become visible, and a deployment may create
// it together with the workers. After that time the configuration is wrong, and restarts would
// not help.
const (
	namespaceWait  = 2 * time.Minute
	namespacePause = 2 * time.Second
)

// connect connects to the server and the namespace of the options.
func connect(ctx context.Context, options client.Options, logger *zap.Logger) (client.Client, error) {
	if err := checkAddress(options.HostPort); err != nil {
		return nil, err
	}
	temporal, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fault.Wrap(fault.Transport, "reach the Temporal server at", options.HostPort, err)
	}
	namespace := cmp.Or(options.Namespace, client.DefaultNamespace)
	err = awaitNamespace(ctx, namespace, logger, func(ctx context.Context) error {
		_, err := temporal.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
		return err
	})
	if err != nil {
		temporal.Close()
		return nil, err
	}
	return temporal, nil
}

// checkAddress rejects an invalid port. An unknown host or a server that does not answer can
// become available later.
func checkAddress(hostPort string) error {
	at := hostPort[strings.LastIndexByte(hostPort, '/')+1:] // also valid: "dns:///host:7233"
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		return nil //nolint:nilerr // the address has no port, or a form that the client handles
	}
	if _, err := portNumber(port); err != nil {
		return fault.New(fault.Input, "read TEMPORAL_ADDRESS", hostPort, "must be host:port with a port from 1 to 65535")
	}
	return nil
}

// portNumber parses a TCP port.
func portNumber(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err == nil && n == 0 {
		err = strconv.ErrRange
	}
	return int(n), err
}

// awaitNamespace waits until a namespace exists. It ignores other errors, because not every
// account may describe a namespace; later calls report such errors.
func awaitNamespace(ctx context.Context, namespace string, logger *zap.Logger, describe func(context.Context) error) error {
	began := time.Now()
	for said := false; ; said = true {
		err := describe(ctx)
		if !noNamespace(err) {
			return nil
		}
		if time.Since(began) >= namespaceWait {
			return &fault.Error{
				Class: fault.Input, Op: "find the Temporal namespace", Subject: namespace, Err: err,
				Reason: "the server has no such namespace; correct TEMPORAL_NAMESPACE, or create it: temporal operator namespace create -n " + namespace,
			}
		}
		if !said {
			logger.Warn("the server has no such namespace yet", zap.String("namespace", namespace), zap.Duration("waiting", namespaceWait))
		}
		select {
		case <-time.After(namespacePause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func noNamespace(err error) bool {
	_, missing := errors.AsType[*serviceerror.NamespaceNotFound](err)
	_, invalid := errors.AsType[*serviceerror.NotFound](err)
	return missing || invalid
}
