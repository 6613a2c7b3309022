package activities

import "github.com/cogniverse/cogflow/tenant"

// JobInput names a job.
type JobInput struct {
	Tenant tenant.ID `json:"tenant"`
	Job    string    `json:"job"`
}

// Owner is the tenant that the activity works for.
func (in JobInput) Owner() tenant.ID { return in.Tenant }
