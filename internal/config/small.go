package config

import "github.com/cogniverse/cogflow/video"

// The endpoints of the server of small models. Their names sort after most others, so that
// a configured endpoint with one of the models takes precedence.
const (
	smallSpeech  = "small_models_speech"
	smallMeaning = "small_models_meaning"
)

// addSmall adds the endpoints of the server of small models.
func (s section) addSmall(to map[string]endpoint) {
	if s.SmallModels == "" {
		return
	}
	for name, e := range map[string]endpoint{
		smallSpeech:  {Kind: Transcriptions, Models: []string{video.SmallSpeech}},
		smallMeaning: {Kind: Embeddings, Models: []string{video.SmallMeaning}},
	} {
		e.URL = s.SmallModels
		if _, taken := to[name]; !taken {
			to[name] = e
		}
	}
}

// takeSmall adds the profile local_small, unless the file has one of that name.
func (c *Config) takeSmall(s section) {
	p := video.LocalSmall()
	_, theirs := c.theirs[p.Name]
	if !theirs && !s.has(p.Name) && s.SmallModels != "" && c.served(p) == nil {
		c.profiles[p.Name] = p
	}
}
