package fault

import "net/http"

// StatusClass classifies an HTTP status other than 2xx. Input is only what the same
// request can never do: it is given up at once. What a proxy, a gateway or a content
// delivery network says of its own troubles passes, and so may a status that nobody
// has heard of, which is asked again within the bound of transport faults.
func StatusClass(status int) Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
		http.StatusPaymentRequired, // no waiting helps: the account is empty
		495, 496, 498:              // nginx: a client certificate is refused or missing; ArcGIS: an invalid token
		return Auth
	case http.StatusTooManyRequests, http.StatusServiceUnavailable,
		420, 430, 509, // rate limits of older services; a bandwidth that is used up
		529: // Anthropic: overloaded
		return Overload
	case http.StatusInsufficientStorage:
		return Capacity
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusGone,
		http.StatusLengthRequired, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusRequestedRangeNotSatisfiable, http.StatusExpectationFailed, http.StatusTeapot,
		http.StatusUnprocessableEntity, http.StatusUpgradeRequired, http.StatusPreconditionRequired,
		http.StatusRequestHeaderFieldsTooLarge, http.StatusUnavailableForLegalReasons,
		494, 497, // nginx: too large a header; plain HTTP at a port of TLS
		http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusVariantAlsoNegotiates, http.StatusNotExtended:
		return Input
	}
	if status < http.StatusBadRequest { // redirects too, where they are not followed
		return Input
	}
	return Transport
}
