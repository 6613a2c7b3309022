package cogflow.vespa;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The output of deploy/vespa/verify/export. */
final class Export {

    static final ObjectMapper JSON = new ObjectMapper();

    private Export() { }

    static Path dir() {
        return Path.of(System.getProperty("export.dir"));
    }

    /** The directories of application packages; never empty. */
    static List<Path> packages() throws IOException {
        return list(dir().resolve("packages"));
    }

    /** The recordings, one per profile; never empty. */
    static List<Path> recordings() throws IOException {
        return list(dir().resolve("recordings"));
    }

    static JsonNode read(Path file) throws IOException {
        return JSON.readTree(Files.readAllBytes(file));
    }

    private static List<Path> list(Path dir) throws IOException {
        try (Stream<Path> found = Files.list(dir)) {
            List<Path> sorted = found.sorted().toList();
            if (sorted.isEmpty()) throw new IOException(dir + " is empty: run make verify-vespa");
            return sorted;
        }
    }
}
