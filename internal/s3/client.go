package s3

import (
	"cmp"
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/cogniverse/cogflow/fault"
)

const (
	attempts        = 4               // of one request, including the first
	maxBackoff      = 5 * time.Second // between two attempts
	stall           = time.Minute     // without a byte; then the body counts as broken
	responseTimeout = 2 * time.Minute // for the response headers to arrive
	idle            = 64              // connections that are kept for reuse
)

// Client makes a client that retries transient failures a few times. Missing
// credentials are reported at once, as an auth fault.
func (p Place) Client(ctx context.Context) (*s3.Client, error) {
	const op = "reach S3"
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(retryer),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			setDeadlines(t, cmp.Or(p.Stall, stall), cmp.Or(p.Answer, responseTimeout))
			t.MaxIdleConnsPerHost = idle
		})),
	}
	if p.Region != "" {
		options = append(options, config.WithRegion(p.Region))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, &fault.Error{
			Class: fault.Input, Op: op, Subject: p.Bucket, Err: err,
			Reason: "the AWS configuration cannot be read; look at AWS_PROFILE and ~/.aws/config",
		}
	}
	if c.Region == "" && p.Endpoint == "" {
		return nil, fault.New(fault.Input, op, p.Bucket, "no region; add ?region=… to the URL or set AWS_REGION")
	}
	if c.Region == "" {
		c.Region = "us-east-1" // S3-compatible servers expect this region in a signature
	}
	keys := &credentials{chain: c.Credentials}
	if _, err := keys.Retrieve(ctx); err != nil {
		return nil, err
	}
	c.Credentials = keys
	return s3.NewFromConfig(c, func(o *s3.Options) {
		o.UsePathStyle = p.PathStyle
		if p.Endpoint != "" {
			o.BaseEndpoint = aws.String(p.Endpoint)
		}
		// The SHA-256 of the store covers more than the checksums of the SDK,
		// which some S3-compatible servers do not support.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	}), nil
}

// Server is the endpoint that Client talks to: https://host:port. The AWS SDK's environment
// variables name one too.
func (p Place) Server() string {
	const amazonURL = "https://s3.amazonaws.com"
	if p.Endpoint != "" {
		return p.Endpoint
	}
	env, err := config.NewEnvConfig()
	if err != nil {
		return amazonURL // Client reports the error
	}
	own, _, _ := env.GetServiceBaseEndpoint(context.Background(), s3.ServiceID) // it never fails
	return cmp.Or(own, env.BaseEndpoint, amazonURL)
}

// retryer also retries uploads that were damaged in transit.
func retryer() aws.Retryer {
	standard := retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff
	})
	return retry.AddWithErrorCodes(standard, damaged()...)
}

// credentials gives the failures of the SDK's credential chain an error class, so
// callers need not parse their texts.
type credentials struct {
	chain aws.CredentialsProvider
	had   atomic.Bool // there were credentials before: a failure to renew them is transient
}

// Retrieve implements aws.CredentialsProvider.
func (c *credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	keys, err := c.chain.Retrieve(ctx)
	switch {
	case err == nil:
		c.had.Store(true)
		return keys, nil
	case ctx.Err() != nil:
		return keys, ctx.Err()
	case c.had.Load():
		return keys, &fault.Error{
			Class: fault.Transport, Op: "renew S3 credentials", Err: err,
		}
	}
	return keys, &fault.Error{
		Class: fault.Auth, Op: "find S3 credentials", Err: err,
		Reason: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role",
	}
}
