/* Classify pictures with a packed network: the C API in one page.
 *
 *     cc classify.c $(python -m niwaki.capi --cflags --libs) -o classify
 *     ./classify model.nwk pictures.f32 [threads]
 *
 * `pictures.f32` holds float32 pictures one behind the other, each (C, H, W) and scaled as in
 * training, e.g. from NumPy: x.tofile("pictures.f32"). For each picture a line is printed with the
 * best class and its score; with NIWAKI_DUMP=FILE all scores are also written there as they are.
 */
#include <niwaki.h>
#include <stdio.h>
#include <stdlib.h>

/* Read a whole file; *size becomes its length in bytes. */
static void* read_file(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) return NULL;
  void* data = NULL;
  if (fseek(file, 0, SEEK_END) == 0) {
    long length = ftell(file);
    rewind(file);
    data = length >= 0 ? malloc((size_t)length + 1) : NULL;
    if (data != NULL && fread(data, 1, (size_t)length, file) != (size_t)length) {
      free(data);
      data = NULL;
    }
    *size = (size_t)length;
  }
  fclose(file);
  return data;
}

static int64_t best_of(const float* scores, int64_t count) {
  int64_t best = 0;
  for (int64_t k = 1; k < count; ++k) {
    if (scores[k] > scores[best]) best = k;
  }
  return best;
}

/* Write the scores to the file that NIWAKI_DUMP names, if it does. Returns 0 when all is well. */
static int dump(const float* scores, size_t bytes) {
  const char* path = getenv("NIWAKI_DUMP");
  if (path == NULL) return 0;
  FILE* file = fopen(path, "wb");
  if (file == NULL) return 1;
  size_t written = fwrite(scores, 1, bytes, file);
  return fclose(file) != 0 || written != bytes;
}

int main(int count, char** words) {
  if (count < 3) {
    fprintf(stderr, "usage: %s model.nwk pictures.f32 [threads]\n", words[0]);
    return 2;
  }
  niwaki_options options = NIWAKI_DEFAULT_OPTIONS;
  if (count > 3) options.threads = atoi(words[3]);
  options.isa = getenv("NIWAKI_ISA"); /* NULL means "auto" */

  niwaki_error error;
  niwaki_engine* engine = niwaki_load(words[1], &options, &error);
  if (engine == NULL) {
    fprintf(stderr, "%s\n", error.message);
    return 2;
  }

  niwaki_value input, output;
  niwaki_input_shape(engine, &input);
  niwaki_output_shape(engine, 0, &output);
  size_t size = 0;
  float* pictures = read_file(words[2], &size);
  if (pictures == NULL || output.type != NIWAKI_F32 || niwaki_output_count(engine) != 1) {
    fprintf(stderr, "%s\n",
            pictures == NULL ? "the pictures can't be read"
                             : "the network must have one output of floats");
    free(pictures);
    niwaki_free(engine);
    return 2;
  }
  if (size == 0 || size % input.bytes != 0) {
    fprintf(stderr, "%s must hold whole pictures of %zu bytes each, got %zu bytes.\n", words[2],
            input.bytes, size);
    free(pictures);
    niwaki_free(engine);
    return 2;
  }
  int64_t images = (int64_t)(size / input.bytes);
  float* scores = malloc((size_t)images * output.bytes + 1);
  void* outputs[] = {scores};
  int failed = scores == NULL || niwaki_run(engine, pictures, images, outputs, &error) != NIWAKI_OK;
  if (failed) fprintf(stderr, "%s\n", scores == NULL ? "no memory" : error.message);
  int64_t classes = (int64_t)(output.bytes / sizeof(float));
  for (int64_t n = 0; n < images && !failed; ++n) {
    int64_t best = best_of(scores + n * classes, classes);
    printf("picture %lld: class %lld, score %g\n", (long long)n, (long long)best,
           scores[n * classes + best]);
  }
  if (!failed) failed = dump(scores, (size_t)images * output.bytes);
  free(scores);
  free(pictures);
  niwaki_free(engine);
  return failed ? 2 : 0;
}
