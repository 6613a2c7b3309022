package traces

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/cogniverse/cogflow/fault"
)

// The standard variables that are read here. The exporter itself also reads
// OTEL_EXPORTER_OTLP_TIMEOUT, _COMPRESSION, _CERTIFICATE, _CLIENT_CERTIFICATE and _CLIENT_KEY.
const (
	varEndpoint   = "OTEL_EXPORTER_OTLP_ENDPOINT"
	varTraces     = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	varHeaders    = "OTEL_EXPORTER_OTLP_HEADERS"
	varTraceHead  = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
	varProtocol   = "OTEL_EXPORTER_OTLP_PROTOCOL"
	varTraceProto = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	varExporter   = "OTEL_TRACES_EXPORTER"
	varDisabled   = "OTEL_SDK_DISABLED"
	varResource   = "OTEL_RESOURCE_ATTRIBUTES"
	varService    = "OTEL_SERVICE_NAME"
)

// settings are what the environment says.
type settings struct {
	endpoint string // "" = nothing is exported
	headers  map[string]string
	resource []attribute.KeyValue
	project  string // prefix of the names of projects
}

// defaultProject is the prefix of Phoenix's projects, unless OTEL_RESOURCE_ATTRIBUTES has one.
const defaultProject = "cogflow"

func read(getenv func(string) string, service, version string) (settings, error) {
	endpoint, path := getenv(varTraces), ""
	if endpoint == "" {
		endpoint, path = getenv(varEndpoint), "/v1/traces"
	}
	if endpoint == "" || strings.EqualFold(getenv(varDisabled), "true") || getenv(varExporter) == "none" {
		return settings{}, nil
	}
	u, err := url.Parse(strings.TrimSpace(endpoint))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return settings{}, fault.New(fault.Input, "read", cmp.Or(set(getenv, varTraces), varEndpoint), "must be a URL such as http://127.0.0.1:6006")
	}
	if p := cmp.Or(getenv(varTraceProto), getenv(varProtocol), "http/protobuf"); p != "http/protobuf" {
		return settings{}, fault.New(fault.Input, "read", varProtocol, "must be http/protobuf; "+strconv.Quote(p)+" is not supported")
	}
	if path != "" {
		u.Path = strings.TrimSuffix(u.Path, "/") + path
	}
	s := settings{endpoint: u.String(), headers: map[string]string{}, project: defaultProject}
	for _, name := range []string{varHeaders, varTraceHead} {
		list, err := pairs(getenv, name)
		if err != nil {
			return settings{}, err
		}
		for _, kv := range list {
			s.headers[kv[0]] = kv[1]
		}
	}
	list, err := pairs(getenv, varResource)
	if err != nil {
		return settings{}, err
	}
	s.resource = append(s.resource, keyVersion.String(version))
	for _, kv := range list {
		switch attribute.Key(kv[0]) {
		case keyProject:
			s.project = kv[1]
		case keyService:
			service = kv[1]
		default:
			s.resource = append(s.resource, attribute.String(kv[0], kv[1]))
		}
	}
	s.resource = append(s.resource, keyService.String(cmp.Or(getenv(varService), service)))
	return s, nil
}

// set returns the name of a variable that is set, or "".
func set(getenv func(string) string, name string) string {
	if getenv(name) == "" {
		return ""
	}
	return name
}

// pairs reads a list such as key1=value1,key2=value2, whose parts may be percent-encoded.
func pairs(getenv func(string) string, name string) (out [][2]string, err error) {
	for part := range strings.SplitSeq(getenv(name), ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		k, errKey := url.PathUnescape(strings.TrimSpace(key))
		v, errValue := url.PathUnescape(strings.TrimSpace(value))
		if !ok || k == "" || errKey != nil || errValue != nil {
			// The value may be a key, so it is not repeated.
			return nil, fault.New(fault.Input, "read", name, "must be a list of key=value, with commas between them and % encoded as %25")
		}
		out = append(out, [2]string{k, v})
	}
	return out, nil
}

// Secrets returns what the environment says that must not appear in a log: the values of
// headers, each also without its scheme, such as Bearer.
func Secrets(getenv func(string) string) (out []string) {
	for _, name := range []string{varHeaders, varTraceHead} {
		list, err := pairs(getenv, name)
		if err != nil {
			out = append(out, getenv(name))
		}
		for _, kv := range list {
			if _, token, ok := strings.Cut(kv[1], " "); ok {
				out = append(out, token)
			}
			out = append(out, kv[1])
		}
	}
	return out
}

// Endpoints returns the addresses of the environment.
func Endpoints(getenv func(string) string) []string {
	return []string{getenv(varEndpoint), getenv(varTraces)}
}
