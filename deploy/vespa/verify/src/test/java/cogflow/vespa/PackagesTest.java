package cogflow.vespa;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.api.io.TempDir;

/** Vespa builds and validates every package, and refuses deliberately invalid packages. */
class PackagesTest {

    @TestFactory
    Stream<DynamicTest> builds(TestReporter reporter) throws IOException {
        return Export.packages().stream().map(dir -> dynamicTest("builds " + dir.getFileName(), () -> {
            long start = System.nanoTime();
            var model = check(dir).model();
            reporter.publishEntry(model.getSearchClusters().get(0).getDocumentDbs().size() + " schemas, "
                    + (System.nanoTime() - start) / 1_000_000 + " ms");
        }));
    }

    private static Application check(Path dir) throws Exception {
        Application application = Application.build(dir);
        Names.check(dir);
        return application;
    }

    /** One change to the package of a profile, and a part of Vespa's error message. */
    private record Break(String what, String file, String from, String to, String says) { }

    @TestFactory
    Stream<DynamicTest> refuses(@TempDir Path tmp) {
        String schema = "schemas/video_colpali_smol500_mv_frame_acme.sd";
        return Stream.of(
                new Break("a schema with a syntax error", schema, "fieldset default {", "fieldset default (", "fieldset"),
                new Break("a truncated rank expression", schema, "max, patch), querytoken)", "max, patch", "xpression"),
                new Break("a rank expression on an unknown function", schema, "expression: binary_similarity", "expression: no_such_function", "no_such_function"),
                new Break("bm25 of a field without bm25", schema, "bm25(video_title)", "bm25(frame_key)", "frame_key"),
                new Break("a query tensor of a wrong size", schema, "query(qt) tensor<float>(querytoken{}, v[128])", "query(qt) tensor<float>(querytoken{}, v[127])", "v["),
                new Break("a tensor of an unknown cell type", schema, "tensor<bfloat16>(patch{}, v[128])", "tensor<int4>(patch{}, v[128])", "int4"),
                new Break("a hamming distance on a field of floats", schema, "tensor<int8>(patch{}, v[16])", "tensor<float>(patch{}, v[16])", "int8"),
                new Break("a parent that is not global", "services.xml", " global=\"true\"", "", "global"),
                new Break("an import of an unknown field", schema, "generation_ref.published", "generation_ref.publishd", "publishd"),
                new Break("a summary of an unknown field", schema, "summary doc_id {}", "summary dock_id {}", "dock_id"),
                new Break("an unknown element in services.xml", "services.xml", "<document-api/>", "<dokument-api/>", "dokument-api")
        ).map(b -> dynamicTest("refuses " + b.what, () -> {
            Path dir = copy(Export.dir().resolve("packages/video_colpali_smol500_mv_frame"), tmp.resolve(b.what.replaceAll("[^a-z]", "_")));
            Path file = dir.resolve(b.file);
            String text = Files.readString(file);
            assertTrue(text.contains(b.from), file + " does not contain " + b.from);
            Files.writeString(file, text.replace(b.from, b.to));
            String said = messages(assertThrows(Exception.class, () -> check(dir)));
            assertTrue(said.contains(b.says), "Vespa refuses it for another reason: " + said);
        }));
    }

    private static String messages(Throwable e) {
        return e == null ? "" : e.getMessage() + "\n" + messages(e.getCause());
    }

    private static Path copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Path target = to.resolve(from.relativize(file).toString());
                if (Files.isDirectory(file)) Files.createDirectories(target);
                else Files.copy(file, target);
            }
        }
        return to;
    }
}
