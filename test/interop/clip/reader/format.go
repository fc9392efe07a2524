package main

import "time"

// The types of a .clip file as Go CLIP declares them: encoding/gob matches them by field name and kind.

type header struct {
	StartBytes            [9]byte
	ClipFileFormatVersion uint8
	IndexLength           int64
	IndexPos              int64
	StorageInfoLength     int64
	StorageInfoPos        int64
	StorageInfoType       [12]byte
}

type node struct {
	NodeType    string
	Path        string
	Attr        attr
	Target      string
	ContentHash string
	DataPos     int64
	DataLen     int64
	Remote      *remoteRef
}

// attr is fuse.Attr of github.com/hanwen/go-fuse.
type attr struct {
	Ino       uint64
	Size      uint64
	Blocks    uint64
	Atime     uint64
	Mtime     uint64
	Ctime     uint64
	Atimensec uint32
	Mtimensec uint32
	Ctimensec uint32
	Mode      uint32
	Nlink     uint32
	Owner     owner
	Rdev      uint32
	Blksize   uint32
	Padding   uint32
}

type owner struct {
	Uid uint32
	Gid uint32
}

type remoteRef struct {
	LayerDigest string
	UOffset     int64
	ULength     int64
}

type storageInfoWrapper struct {
	Type string
	Data []byte
}

type ociStorageInfo struct {
	RegistryURL             string
	Repository              string
	Reference               string
	Layers                  []string
	GzipIdxByLayer          map[string]*gzipIndex
	ZstdIdxByLayer          map[string]*zstdIndex
	DecompressedHashByLayer map[string]string
	ImageMetadata           *imageMetadata
}

type gzipIndex struct {
	LayerDigest string
	Checkpoints []gzipCheckpoint
}

type gzipCheckpoint struct {
	COff int64
	UOff int64
}

type zstdIndex struct {
	LayerDigest string
	Frames      []zstdFrame
}

type zstdFrame struct {
	COff int64
	CLen int64
	UOff int64
	ULen int64
}

type imageMetadata struct {
	Name          string
	Digest        string
	RepoTags      []string `json:",omitempty"`
	Created       time.Time
	DockerVersion string `json:",omitempty"`
	Labels        map[string]string
	Architecture  string
	Os            string
	Variant       string `json:",omitempty"`
	Author        string
	Env           []string
	Cmd           []string
	Entrypoint    []string
	User          string
	WorkingDir    string
	ExposedPorts  map[string]struct{}
	Volumes       map[string]struct{}
	StopSignal    string
	Layers        []string
	LayersData    []layerMetadata
}

type layerMetadata struct {
	MIMEType    string
	Digest      string
	Size        int64
	Annotations map[string]string `json:",omitempty"`
}
