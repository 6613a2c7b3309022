package fault

// StatusClass classifies an HTTP status other than 2xx. Input is only a status that the
// same request always gets: it is given up at once. A failure of a proxy, a gateway or a
// content delivery network is temporary, and an unknown status may be; they are retried
// within the limit of transport faults.
func StatusClass(status int) Class {
	switch status {
	case 401, 403, 407,
		402,           // no waiting helps: the account is empty
		495, 496, 498: // nginx: a client certificate is refused or missing; ArcGIS: an invalid token
		return Auth
	case 429, 503,
		420, 430, 509, // rate limits of older services; bandwidth used up
		529: // Anthropic: overloaded
		return Overload
	case 507:
		return Capacity
	case 400, 404, 405, 406, 410, 411, 412, 413, 414, 415, 416, 417, 418, 422, 426, 428, 431, 451,
		494, 497, // nginx: header too large; plain HTTP on a TLS port
		501, 505, 506, 510: // not supported by the server for this request
		return Input
	}
	if status < 400 { // redirects too, if they are not followed
		return Input
	}
	return Transport
}
