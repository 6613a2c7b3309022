package fault

// StatusClass classifies an HTTP status other than 2xx. Input is only what the same
// request can never do: it is given up at once. What a proxy, a gateway or a content
// delivery network says of its own troubles passes, and so may a status that nobody
// has heard of, which is asked again within the bound of transport faults.
func StatusClass(status int) Class {
	switch status {
	case 401, 403, 407,
		402,           // no waiting helps: the account is empty
		495, 496, 498: // nginx: a client certificate is refused or missing; ArcGIS: an invalid token
		return Auth
	case 429, 503,
		420, 430, 509, // rate limits of older services; a bandwidth that is used up
		529: // Anthropic: overloaded
		return Overload
	case 507:
		return Capacity
	case 400, 404, 405, 406, 410, 411, 412, 413, 414, 415, 416, 417, 418, 422, 426, 428, 431, 451,
		494, 497, // nginx: too large a header; plain HTTP at a port of TLS
		501, 505, 506, 510: // what the server has not, and will not have for this request
		return Input
	}
	if status < 400 { // redirects too, where they are not followed
		return Input
	}
	return Transport
}
