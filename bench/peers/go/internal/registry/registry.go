// Package registry is the little of the distribution API that the peers need: the layers of one image, over plain HTTP.
package registry

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Layer is a descriptor of the manifest with the diffID that the config promises for it.
type Layer struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
	DiffID string `json:"-"`
}

// Repository is one name on one host.
type Repository struct{ base string }

// Open takes a reference as host:port/name:tag and gives the repository and the layers, bottom first.
func Open(reference string) (*Repository, []Layer, error) {
	host, rest, ok := strings.Cut(reference, "/")
	at := strings.LastIndex(rest, ":")
	if !ok || at < 0 {
		return nil, nil, fmt.Errorf("%s is not HOST:PORT/NAME:TAG", reference)
	}
	repository := &Repository{base: "http://" + host + "/v2/" + rest[:at]}
	layers, err := repository.layers(rest[at+1:])
	return repository, layers, err
}

// Blob opens the compressed bytes of a layer.
func (r *Repository) Blob(digest string) (io.ReadCloser, error) {
	return get(r.base + "/blobs/" + digest)
}

func (r *Repository) layers(tag string) ([]Layer, error) {
	var manifest struct {
		Config struct{ Digest string }
		Layers []Layer
	}
	if err := getJSON(r.base+"/manifests/"+tag, &manifest); err != nil {
		return nil, err
	}
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := getJSON(r.base+"/blobs/"+manifest.Config.Digest, &config); err != nil {
		return nil, err
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return nil, fmt.Errorf("%d layers, %d diffIDs", len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	for i := range manifest.Layers {
		manifest.Layers[i].DiffID = config.RootFS.DiffIDs[i]
	}
	return manifest.Layers, nil
}

func getJSON(url string, value any) error {
	body, err := get(url)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(value)
}

func get(url string) (io.ReadCloser, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	return response.Body, nil
}
