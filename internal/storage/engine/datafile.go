package engine

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	pqschema "github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"
)

// compressionLevel of zstd: the fastest; the next ones cost much and save little.
const compressionLevel = 1

// parquetMagic begins and ends a Parquet file.
const parquetMagic = "PAR1"

// What a data file holds at most besides its size: a reader decodes the
// descriptions of all its column chunks before it sees the first row.
const (
	maxGroups = 10_000
	maxChunks = 128 << 10 // of all columns
)

// dataFileWriter writes one Parquet file, row group by row group.
type dataFileWriter struct {
	folder   string
	location string   // known once the file is complete
	out      *newFile // nil for a file that is none of a table's
	sink     *sink
	schema   *pqschema.Schema
	metadata *metadata.FileMetaDataBuilder
	index    *metadata.PageIndexBuilder
	group    *metadata.RowGroupMetaDataBuilder
	groups   int
	rows     int64
	splits   []int64 // where the row groups begin

	// By field id, for Iceberg.
	ids   []int // of the columns
	sizes map[int]int64
	nulls map[int]int64
}

// createDataFile begins a data file of a table.
func createDataFile(files *files, folder string, schema *pqschema.Schema) (*dataFileWriter, error) {
	out, err := files.create(folder + "/" + freshName() + ".parquet")
	if err != nil {
		return nil, err
	}
	f := newParquetFile(out, schema)
	f.folder, f.out = folder, out
	return f, f.begin()
}

// newParquetFile prepares a file that is written to out.
func newParquetFile(out io.Writer, schema *pqschema.Schema) *dataFileWriter {
	f := &dataFileWriter{
		sink:   newSink(out),
		schema: schema,
		metadata: metadata.NewFileMetadataBuilder(schema, parquet.NewWriterProperties(
			parquet.WithVersion(parquet.V2_LATEST), parquet.WithCompression(compress.Codecs.Zstd)), nil),
		index: &metadata.PageIndexBuilder{Schema: schema},
		sizes: make(map[int]int64),
		nulls: make(map[int]int64),
	}
	for i := range schema.NumColumns() {
		f.ids = append(f.ids, int(schema.Column(i).SchemaNode().FieldID()))
	}
	return f
}

// begin writes what all files begin with.
func (f *dataFileWriter) begin() error {
	_, err := io.WriteString(f.sink, parquetMagic)
	return err
}

// beginGroup starts a row group of the given columns.
func (f *dataFileWriter) beginGroup(columns []*columnWriter) error {
	if err := f.index.AppendRowGroup(); err != nil {
		return err
	}
	f.group = f.metadata.AppendRowGroup()
	f.splits = append(f.splits, f.sink.Tell())
	for i, c := range columns {
		index, err := f.index.GetOffsetIndexBuilder(i)
		if err != nil {
			return err
		}
		if err := c.begin(f.group.NextColumnChunk(), f.sink, f.groups, i, index); err != nil {
			return err
		}
	}
	return nil
}

// endGroup writes the row group, whose columns are finished.
func (f *dataFileWriter) endGroup(columns []*columnWriter) error {
	for i, c := range columns {
		if c.rows != columns[0].rows {
			return fmt.Errorf("engine: column %d has %d rows, not %d", i, c.rows, columns[0].rows)
		}
		if err := c.close(); err != nil {
			return err
		}
		f.sizes[f.ids[i]] += c.chunk.TotalCompressedSize()
		f.nulls[f.ids[i]] += c.nulls
	}
	f.group.SetNumRows(int(columns[0].rows))
	if err := f.group.Finish(0, int16(f.groups)); err != nil {
		return err
	}
	f.groups++
	f.rows += columns[0].rows
	return nil
}

// full tells whether the next row group belongs into another file of the table.
func (f *dataFileWriter) full(size int64) bool {
	if f.out == nil {
		return false
	}
	return f.sink.Tell() >= size || f.groups >= maxGroups || f.groups*len(f.ids) >= maxChunks
}

// end writes what all files end with.
func (f *dataFileWriter) end() error {
	f.index.Finish()
	var location metadata.PageIndexLocation
	if err := f.index.WriteTo(f.sink, &location); err != nil {
		return err
	}
	if err := f.metadata.SetPageIndexLocation(location); err != nil {
		return err
	}
	if f.out != nil {
		if err := f.metadata.AppendKeyValueMetadata(blocksKey, encodeSums(f.sink.sums)); err != nil {
			return err
		}
	}
	f.sink.footer = true
	footer, err := f.metadata.Finish()
	if err != nil {
		return err
	}
	length, err := footer.WriteTo(f.sink, nil)
	if err != nil {
		return err
	}
	end := binary.LittleEndian.AppendUint32(nil, uint32(length))
	if _, err := f.sink.Write(append(end, parquetMagic...)); err != nil {
		return err
	}
	return f.sink.Flush()
}

// finish completes the file, makes it durable and describes it for Iceberg.
// firstRow is the table-wide number of its first row.
func (f *dataFileWriter) finish(firstRow int64) (iceberg.DataFile, error) {
	if err := f.end(); err != nil {
		return nil, err
	}
	f.location = f.folder + "/" + sealedName(f.sink.sum) + ".parquet"
	if err := f.out.closeAs(f.location); err != nil {
		return nil, err
	}

	counts := make(map[int]int64, len(f.ids))
	for _, id := range f.ids {
		counts[id] = f.rows
	}
	b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentData, f.location,
		iceberg.ParquetFile, nil, nil, nil, f.rows, f.sink.Tell())
	if err != nil {
		return nil, err
	}
	return b.ColumnSizes(f.sizes).ValueCounts(counts).NullValueCounts(f.nulls).
		SplitOffsets(f.splits).FirstRowID(firstRow).Build(), nil
}

// abort gives the file up.
func (f *dataFileWriter) abort() {
	if f.out != nil {
		_ = f.out.Abort()
	}
}

// sink buffers writes, knows its position in the file, and computes checksums.
type sink struct {
	buffer   *bufio.Writer // not embedded: all must go through Write
	position int64

	sums   []uint32 // of the blocks that are complete
	sum    uint32   // of what was written behind them
	footer bool     // what is written belongs to no block
}

func newSink(w io.Writer) *sink { return &sink{buffer: bufio.NewWriterSize(w, 64<<10)} }

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.buffer.Write(p)
	for rest := p[:n]; len(rest) > 0; {
		part := rest
		if room := blockSize - s.position%blockSize; !s.footer && int64(len(part)) > room {
			part = part[:room]
		}
		s.sum = checksum(s.sum, part)
		s.position += int64(len(part))
		if !s.footer && s.position%blockSize == 0 {
			s.sums, s.sum = append(s.sums, s.sum), 0
		}
		rest = rest[len(part):]
	}
	return n, err
}

// Tell returns how many bytes have been written.
func (s *sink) Tell() int64 { return s.position }

// Flush passes on what is buffered.
func (s *sink) Flush() error { return s.buffer.Flush() }
