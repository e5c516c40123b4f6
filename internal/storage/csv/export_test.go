package csv

import "io"

// NewReaderWithLimits is NewReader with a chunk and limits of the test's own.
func NewReaderWithLimits(r io.Reader, d Dialect, chunk, cell, row, header int) (*Reader, error) {
	reader, err := newReader(r, d, limits{chunk, cell, row, header})
	if err != nil {
		return nil, err
	}
	return reader, nil
}
