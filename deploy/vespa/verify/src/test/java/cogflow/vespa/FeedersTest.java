package cogflow.vespa;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.vespa.feed.client.DocumentId;
import ai.vespa.feed.client.FeedClient;
import ai.vespa.feed.client.FeedClientBuilder;
import ai.vespa.feed.client.OperationParameters;
import ai.vespa.feed.client.Result;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;

/**
 * cogflow's feeder and Vespa's feed client feed the same documents to the same fake
 * server, one after the other. Both use 8 connections and compression. The ratio is
 * reported, not checked: the fake and the client share a machine.
 */
class FeedersTest {

    @Test
    @DisplayName("cogflow against vespa-feed-client")
    void compare(TestReporter reporter) throws Exception {
        Process program = new ProcessBuilder(System.getProperty("export.program"), "-serve", Export.dir().toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try (var out = new BufferedReader(new InputStreamReader(program.getInputStream(), StandardCharsets.UTF_8))) {
            JsonNode ours = Export.JSON.readTree(out.readLine());
            JsonNode puts = Export.read(Export.dir().resolve("feed.json"));
            assertEquals(ours.get("documents").intValue(), puts.size());
            double mine = Double.POSITIVE_INFINITY, theirs = Double.POSITIVE_INFINITY;
            for (JsonNode seconds : ours.get("seconds")) mine = Math.min(mine, seconds.doubleValue());
            for (int round = 0; round < ours.get("seconds").size(); round++) {
                theirs = Math.min(theirs, feed(ours.get("url").textValue(), puts));
            }
            double bytes = ours.get("bytes").doubleValue();
            reporter.publishEntry(String.format(
                    "%d documents, best of %d: cogflow %.0f documents/s %.1f MB/s, vespa-feed-client %.0f documents/s %.1f MB/s, ratio %.2f",
                    puts.size(), ours.get("seconds").size(), puts.size() / mine, bytes / mine / 1e6,
                    puts.size() / theirs, bytes / theirs / 1e6, theirs / mine));
        } finally {
            program.getOutputStream().close(); // the program ends with its standard input
            if (!program.waitFor(10, TimeUnit.SECONDS)) program.destroyForcibly();
        }
    }

    private static double feed(String url, JsonNode puts) throws Exception {
        try (FeedClient client = FeedClientBuilder.create(URI.create(url)).setConnectionsPerEndpoint(8).build()) {
            List<CompletableFuture<Result>> results = new ArrayList<>();
            long start = System.nanoTime();
            for (JsonNode put : puts) {
                results.add(client.put(DocumentId.of(put.get("id").textValue()), put.get("body").textValue(), OperationParameters.empty()));
            }
            for (var result : results) assertEquals(Result.Type.success, result.get(60, TimeUnit.SECONDS).type());
            return (System.nanoTime() - start) / 1e9;
        }
    }
}
