/* niwaki.h: run a packed network (.nwk) from C.
 *
 *     niwaki_error error;
 *     niwaki_engine* engine = niwaki_load("model.nwk", NULL, &error);
 *     if (engine == NULL) { fprintf(stderr, "%s\n", error.message); return 2; }
 *     void* outputs[] = {logits};                     (float[images * elements of one image])
 *     if (niwaki_run(engine, pixels, images, outputs, &error) != NIWAKI_OK) ...
 *     niwaki_free(engine);
 *
 * Numbers are little-endian and contiguous, images one behind the other, each (C, H, W). The
 * results are those of niwaki.Engine in Python, bit for bit.
 *
 * Threads: one engine may run from any number of threads at once; each such call has memory of its
 * own, kept for the next one. Loading and freeing are calls like any other, but nobody may use an
 * engine that is being freed. No call throws, exits or prints.
 */
#ifndef NIWAKI_H
#define NIWAKI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NIWAKI_VERSION "0.1.0"
#define NIWAKI_MAX_RANK 8
#define NIWAKI_MESSAGE_SIZE 512

/* What went wrong; the names are those of niwaki.errors. */
typedef enum niwaki_status {
  NIWAKI_OK = 0,
  NIWAKI_FORMAT_ERROR = 1,         /* the file is damaged or foreign */
  NIWAKI_SHAPE_ERROR = 2,          /* a size isn't what it must be */
  NIWAKI_VALUE_DOMAIN_ERROR = 3,   /* a number or a pointer out of its domain */
  NIWAKI_UNSUPPORTED_OP_ERROR = 4, /* the file is for a newer engine */
  NIWAKI_INPUT_ERROR = 5,          /* the file can't be read */
  NIWAKI_REGISTRY_ERROR = 6,       /* an unknown name, such as of an instruction set */
  NIWAKI_OUT_OF_MEMORY = 7,
  NIWAKI_INTERNAL_ERROR = 8
} niwaki_status;

/* Filled in by calls that fail, left alone by others. */
typedef struct niwaki_error {
  niwaki_status status;
  char message[NIWAKI_MESSAGE_SIZE]; /* UTF-8, ends with 0, cut where it is too long */
} niwaki_error;

/* Start from NIWAKI_DEFAULT_OPTIONS: later versions may append fields, `size` tells them apart. */
typedef struct niwaki_options {
  size_t size;     /* sizeof(niwaki_options) */
  int threads;     /* that one call may use, its own included; 1 to 1024 */
  const char* isa; /* "auto", or an instruction set not to exceed: "x86_avx2", "portable" ... */
} niwaki_options;

#define NIWAKI_DEFAULT_OPTIONS {sizeof(niwaki_options), 1, "auto"}

typedef enum niwaki_type {
  NIWAKI_F32 = 0,
  NIWAKI_U8 = 1,
  NIWAKI_S8 = 2,
  NIWAKI_S32 = 3,
  NIWAKI_BITS = 4 /* uint64 words, pixel-major, ceil(C / 64) a pixel, low bit first */
} niwaki_type;

/* An input or an output of one image: no batch in its shape. */
typedef struct niwaki_value {
  niwaki_type type;
  int rank;
  int64_t shape[NIWAKI_MAX_RANK]; /* (C, H, W) or (C,); zeros behind `rank` sizes */
  size_t bytes;                   /* of one image */
} niwaki_value;

typedef struct niwaki_engine niwaki_engine;

/* Return the version of the library, e.g. "0.1.0"; NIWAKI_VERSION is the header's. */
const char* niwaki_version(void);

/* Load a file. `options` may be NULL (the defaults), `error` too. Returns NULL on failure. */
niwaki_engine* niwaki_load(const char* path, const niwaki_options* options, niwaki_error* error);

/* The same from the bytes of a file, which are copied. */
niwaki_engine* niwaki_load_memory(const void* data, size_t size, const niwaki_options* options,
                                  niwaki_error* error);

/* Describe the input, which is always NIWAKI_F32. */
niwaki_status niwaki_input_shape(const niwaki_engine* engine, niwaki_value* value);

/* Return how many outputs there are, at least 1; 0 for a NULL engine. */
int niwaki_output_count(const niwaki_engine* engine);

/* Describe output `index`, counted from 0. */
niwaki_status niwaki_output_shape(const niwaki_engine* engine, int index, niwaki_value* value);

/* Run `images` images, 0 or more: `input` holds images * niwaki_value.bytes of the input,
 * `outputs` one pointer for each output, to images * niwaki_value.bytes of it. */
niwaki_status niwaki_run(const niwaki_engine* engine, const float* input, int64_t images,
                         void* const* outputs, niwaki_error* error);

/* Free an engine; NULL is fine. */
void niwaki_free(niwaki_engine* engine);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif
