package video

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/tenant"
)

// The keys below are the layout of the object store. All objects of a video are under its
// id, so that deleting the prefix deletes the video. Captions and embeddings are outside,
// because several videos can share them.

// Prefix is the folder of one video.
func Prefix(t tenant.ID, v ID) string { return string(t) + "/videos/" + string(v) + "/" }

// SourceKey holds the Source of a video.
func SourceKey(t tenant.ID, v ID) string { return Prefix(t, v) + "source.json" }

// FramesPrefix is the folder of one extraction.
func FramesPrefix(t tenant.ID, v ID, extract Fingerprint) string {
	return Prefix(t, v) + "frames/" + string(extract) + "/"
}

// FrameKey holds the JPEG of one frame.
func FrameKey(prefix string, f Frame) string { return PictureKey(prefix, f.PTSMS) }

// PictureKey holds the JPEG of one frame.
func PictureKey(prefix string, ptsMS int64) string {
	return prefix + strconv.FormatInt(ptsMS, 10) + ".jpg"
}

// AudioKey holds one piece of the sound.
func AudioKey(prefix string, piece int) string {
	return fmt.Sprintf("%saudio-%06d.flac", prefix, piece)
}

// SubtitlesKey holds the Transcript that the container had as subtitles.
func SubtitlesKey(prefix string) string { return prefix + "subtitles.json" }

// SidecarKey holds the Transcript of a file of subtitles beside a video.
func SidecarKey(t tenant.ID, v ID, subtitles Fingerprint) string {
	return Prefix(t, v) + "subtitles/" + string(subtitles) + ".json"
}

// ChunkKey holds the Chunk with the given index.
func ChunkKey(prefix string, index int) string {
	return fmt.Sprintf("%schunk-%06d.json", prefix, index)
}

// ExtractionKey holds the Extraction, written last.
func ExtractionKey(prefix string) string { return prefix + "manifest.json" }

// CaptionKey holds one Caption.
func CaptionKey(t tenant.ID, f Fingerprint) string {
	return string(t) + "/captions/" + string(f) + ".json"
}

// RefusalKey holds the answer of a describer that is not a caption, such as one that max_tokens
// cut. It is paid for, and the same request is not sent again.
func RefusalKey(t tenant.ID, f Fingerprint) string {
	return string(t) + "/refusals/" + string(f) + ".json"
}

// The kinds of model calls, in the ledger and in the keys of refusals.
const (
	KindDescribe   = "describe"
	KindEmbed      = "embed"
	KindTranscribe = "transcribe"
)

// RefusedKey holds the frames of a chunk, or the pieces of a video's sound, that a model
// refused: an object from presentation timestamp to reason. It does not exist if none was
// refused.
func (p Profile) RefusedKey(prefix, kind string, chunk int) string {
	return fmt.Sprintf("%s%06d.json", p.RefusedPrefix(prefix, kind), chunk)
}

// UnusableKey holds why frames of a chunk were refused: an object from presentation timestamp
// to reason and example. It does not exist if none was refused.
func (p Profile) UnusableKey(prefix, kind string, chunk int) string {
	return prefix + "unusable-" + strings.TrimPrefix(p.RefusedKey("", kind, chunk), "refused-")
}

// OfPassages is the kind of refusals of passages of speech by an embedder. The ledger does
// not use it.
const OfPassages = "embed-passages"

// OfTexts is the kind of refusals of captions by an embedder, which depend on the describer
// as well. The ledger does not use it.
const OfTexts = "embed-captions"

// RefusedPrefix is the prefix for all chunks.
func (p Profile) RefusedPrefix(prefix, kind string) string {
	parts := p.Describe.captionParts()
	switch kind {
	case KindEmbed:
		parts = append(p.Embed.embeddingParts(), string(p.Embed.Of))
	case OfPassages:
		parts = append(p.speechParts(), p.Embed.embeddingParts()...)
	case OfTexts:
		parts = append(parts, p.Embed.embeddingParts()...)
	case KindTranscribe:
		parts = p.Transcribe.transcriptParts()
	}
	return fmt.Sprintf("%srefused-%s-%s-", prefix, kind, NewFingerprint(kind, parts...)[:16])
}

// PassagesKey holds the passages of speech of a video that have an embedding.
func (p Profile) PassagesKey(prefix string) string {
	parts := append(p.speechParts(), p.Embed.embeddingParts()...)
	return fmt.Sprintf("%spassages-%s.json", prefix, NewFingerprint("passages", parts...)[:16])
}

// TranscriptKey holds one Transcript.
func TranscriptKey(t tenant.ID, f Fingerprint) string {
	return string(t) + "/transcripts/" + string(f) + ".json"
}

// EmbeddingKey holds one Embedding in its binary form.
func EmbeddingKey(t tenant.ID, f Fingerprint) string {
	return string(t) + "/embeddings/" + string(f) + ".bin"
}

// ExampleKey holds a picture to search by, a JPEG, under the SHA-256 of its bytes.
func ExampleKey(t tenant.ID, picture ID) string {
	return string(t) + "/examples/" + string(picture) + ".jpg"
}

// RecipeKey holds the Profile that a run was pinned to.
func RecipeKey(t tenant.ID, f Fingerprint) string {
	return string(t) + "/recipes/" + string(f) + ".json"
}

// RecipesPrefix is the prefix of the keys of all recipes.
func RecipesPrefix(t tenant.ID) string { return string(t) + "/recipes/" }

// RolesKey holds the roles that were chosen for a profile's embedder by the name of its model.
func RolesKey(t tenant.ID, p Profile) string {
	parts := append([]string{p.Name}, p.Embed.embeddingParts()...)
	return string(t) + "/roles/" + string(NewFingerprint("roles", parts...)) + ".json"
}

// PublicationKey holds what is published of a video in a profile.
func PublicationKey(t tenant.ID, v ID, profile string) string {
	return Prefix(t, v) + "index/" + profile + ".json"
}

// ClaimKey holds the claim of the workflow that ingests a video into a profile.
func ClaimKey(t tenant.ID, v ID, profile string) string {
	return Prefix(t, v) + "claims/" + profile + ".json"
}

// ListingPrefix is the prefix of the pages of one library run's listing.
func ListingPrefix(t tenant.ID, runID string) string { return string(t) + "/listings/" + runID + "/" }

// ListingRun is the run of a listing's prefix; false = the prefix is not one of that
// tenant. The server names runs, in letters, digits and dashes.
func ListingRun(t tenant.ID, prefix string) (runID string, ok bool) {
	rest, ok := strings.CutPrefix(prefix, string(t)+"/listings/")
	if !ok {
		return "", false
	}
	run, ok := strings.CutSuffix(rest, "/")
	return run, ok && IsRun(run)
}

// IsRun reports whether a text has the form of a run id, so that it is one element of a
// key.
func IsRun(s string) bool {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return s != "" && len(s) <= 100 && strings.Trim(s, alphabet) == ""
}

// ListingKey holds one page of URIs.
func ListingKey(prefix string, page int) string { return fmt.Sprintf("%s%06d.json", prefix, page) }

// ReportKey holds the HTML report of a run. A workflow id is any text, so it is
// escaped into one element of the key.
func ReportKey(t tenant.ID, workflowID, runID string) string {
	return string(t) + "/reports/" + keyElement(workflowID) + "/" + runID + ".html"
}

// keyElement keeps letters, digits and "-_.:" and writes everything else as %XX. An element
// that would be too long for a file name ends in its hash instead.
func keyElement(s string) string {
	const longest = 120
	var out []byte
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '_', c == ':', c == '.' && i > 0:
			out = append(out, c)
		default:
			out = fmt.Appendf(out, "%%%02X", c)
		}
	}
	if len(out) > longest {
		return string(out[:longest]) + "-" + string(NewFingerprint("key", s)[:16])
	}
	return string(out)
}

// Source is what is known of a video before anything is extracted.
type Source struct {
	Video ID     `json:"video"`
	URI   string `json:"uri"` // where it was last found
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Media Media  `json:"media"`

	// Subtitles has the words of the sound where the profile alone does not tell: the
	// fingerprint of the transcript of a file beside the video, or InContainer. Empty = there is no such
	// file; a profile that transcribes takes the subtitles of the container.
	Subtitles Fingerprint `json:"subtitles,omitempty"`
	Sidecar   string      `json:"sidecar,omitempty"` // name of that file
}

// InContainer means that a profile which does not transcribe takes the subtitles of the container.
const InContainer Fingerprint = "container"

// ForHistory is what a run needs of a source; see Extraction.ForHistory.
func (s Source) ForHistory() Source {
	s.Media.AudioLanguage, s.Media.Subtitles = "", false
	return s
}

// Neighbour is a file beside a video.
type Neighbour struct {
	URI   string
	Name  string // without its folder
	Bytes int64  // -1 = not known
}

// FileVersion tells a file at a URI from another one at the same URI, without reading it.
type FileVersion struct {
	Bytes int64  `json:"bytes"` // -1 = not told
	Tag   string `json:"tag"`   // what its place says of it: a time, an ETag; empty = nothing
}

// Seen is what a URI held when it was last read whole.
type Seen struct {
	FileVersion
	Video ID `json:"video"`
}

// SeenKey holds which video a URI named when it was last read, and its size and version there.
func SeenKey(t tenant.ID, uri string) string {
	return string(t) + "/sources/" + string(NewFingerprint("source", uri)) + ".json"
}

// Publication is what is published of a video in a profile, and how it came
// about: the base of reports and of "unchanged".
type Publication struct {
	Generation Generation  `json:"generation"`
	Source     Source      `json:"source"`
	Recipe     Fingerprint `json:"recipe"`
	Extraction Extraction  `json:"extraction"`
	Stages     []StageTime `json:"stages"`
}

// Claim names the workflow that may publish a video in a profile.
type Claim struct {
	Workflow string `json:"workflow"`
	Run      string `json:"run,omitempty"` // that claimed; the runs that continue it hold the claim too. "" = an earlier build claimed
	// Number grows with each holder, so that what a former one still writes can be
	// told from what the present one does. 0 = an earlier build claimed.
	Number int64 `json:"number,omitempty"`
}
