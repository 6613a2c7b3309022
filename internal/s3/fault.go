package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/safetext"
)

const maxRetryAfter = time.Hour

// damaged reports whether code means that a body was damaged in transit.
func damaged() []string {
	return []string{"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody"}
}

// Status returns the HTTP status of the response behind err; 0 if there was no response.
func Status(err error) int {
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	return 0
}

// Code returns the code of the S3 error behind err, such as "NoSuchKey".
func Code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// Missing reports whether err means that the object does not exist.
func Missing(err error) bool {
	return Status(err) == http.StatusNotFound && !slices.Contains([]string{"NoSuchBucket", "NoSuchUpload"}, Code(err))
}

// Fault classifies an error of the client by the status and the code of the
// response: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
// If ctx has ended, Fault returns the error of ctx.
func Fault(ctx context.Context, op, subject string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s %q: %w", op, subject, ctx.Err())
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	var redactor *safetext.Redactor // the SDK's errors contain the address of the service
	f := &fault.Error{Op: op, Subject: subject, Err: redactor.Error(err)}
	f.Class, f.Reason = classify(Status(err), Code(err))
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && e.Response != nil {
		if s, err := strconv.Atoi(e.Response.Header.Get("Retry-After")); err == nil && s > 0 {
			f.RetryAfter = min(time.Duration(min(s, 1<<20))*time.Second, maxRetryAfter)
		}
	}
	return f
}

func classify(status int, code string) (class fault.Class, reason string) {
	switch code {
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "Busy",
		"TooManyRequests", "RequestLimitExceeded", "Throttling", "ThrottlingException":
		return fault.Overload, "the server asks to slow down"
	case "QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return fault.Capacity, "the object store is full; make room or raise its quota"
	case "NoSuchBucket":
		return fault.Input, "bucket not found; create it, or correct the URL"
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return fault.Input, "the bucket is in another region or at another endpoint; correct region= and endpoint="
	case "RequestTimeTooSkewed":
		return fault.Auth, "the clock of this machine is wrong; set it"
	case "RequestTimeout", "InvalidPart", "InvalidPartOrder", "NoSuchUpload", "OperationAborted", "ConditionalRequestConflict":
		return fault.Transport, ""
	}
	if slices.Contains(damaged(), code) {
		return fault.Transport, "the content was damaged in transit"
	}
	class = fault.Transport // without a response
	if status >= http.StatusMultipleChoices {
		class = fault.StatusClass(status)
	}
	if slices.Contains([]string{"ExpiredToken", "InvalidToken", "TokenRefreshRequired"}, code) {
		class = fault.Auth
	}
	switch class {
	case fault.Overload:
		return class, "the server asks to slow down"
	case fault.Capacity:
		return class, "the object store is full; make room or raise its quota"
	case fault.Auth:
		return class, "access denied; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and what they may do"
	case fault.Input:
		return class, "the server refuses the request"
	default:
		return class, ""
	}
}
