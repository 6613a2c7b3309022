package cogflow.vespa;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.yahoo.search.Query;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestReporter;

/**
 * Vespa's own /document/v1 accepts the recorded requests of the index in their order and
 * responds as the fake did; it returns the documents that were sent; and its evaluator of
 * rank expressions gives the same scores as the fake.
 */
class RequestsTest {

    @TestFactory
    Stream<DynamicContainer> replays(TestReporter reporter) throws IOException {
        return Export.recordings().stream().map(file -> dynamicContainer(file.getFileName().toString(), replay(file, reporter)));
    }

    private Stream<DynamicNode> replay(Path file, TestReporter reporter) {
        try {
            String profile = file.getFileName().toString().replace(".json", "");
            Path dir = Export.dir().resolve("packages").resolve(profile);
            JsonNode recording = Export.read(file);
            var model = Application.build(dir).model();
            var documents = new Documents(model);
            var queries = new Queries(model);
            var ranking = new Ranking(dir, recording.get("schema").textValue());
            List<DynamicNode> tests = new ArrayList<>();
            for (JsonNode e : recording.get("exchanges")) {
                String path = e.get("path").textValue();
                if (path.startsWith("/document/v1/")) {
                    tests.add(request(profile, documents, e, reporter));
                    continue;
                }
                tests.add(query(profile, queries, e, reporter));
                if (ranking.scores(search(e).path("ranking.profile").asText())) {
                    tests.add(scores(profile, documents, ranking, queries, e, reporter));
                }
            }
            tests.add(refusals(profile, documents, recording));
            tests.add(refusals(profile, queries, recording));
            return tests.stream();
        } catch (Exception e) {
            throw new IllegalStateException(file + ": " + e, e);
        }
    }

    private DynamicTest request(String profile, Documents documents, JsonNode e, TestReporter reporter) {
        String method = e.get("method").textValue(), path = e.get("path").textValue();
        String body = e.path("body").asText("");
        String shown = profile + "  " + method + " " + path.replaceFirst("/document/v1/video/", "").replaceFirst("/docid/", " ")
                .replaceAll("([0-9a-f]{8})[0-9a-f]{24,}", "$1…");
        return dynamicTest(shown, () -> {
            Documents.Answer answer = documents.send(method, path, body);
            assertEquals(e.get("status").intValue(), answer.status(), "status; Vespa responded: " + answer.body());
            assertFalse(answer.ignoredFields(), "Vespa ignored fields");
            String note = Integer.toString(answer.status());
            if (method.equals("POST")) {
                JsonNode sent = Export.JSON.readTree(body).get("fields");
                var got = documents.send("GET", path + "?format.tensors=hex", "");
                assertEquals(200, got.status());
                Fields.assertEqual(sent, got.body().get("fields"));
                note += "  " + body.length() + " bytes, " + sent.size() + " fields read back equal";
            } else if (method.equals("GET") && answer.status() == 200) {
                JsonNode recorded = Export.JSON.readTree(e.get("answer").textValue());
                // The in-memory access ignores fieldSet and returns whole documents.
                Fields.assertHolds(recorded.get("fields"), answer.body().get("fields"));
                assertEquals(recorded.get("id"), answer.body().get("id"));
            }
            reporter.publishEntry(note);
        });
    }

    /** Vespa refuses the first put when its bytes are damaged. */
    private DynamicTest refusals(String profile, Documents documents, JsonNode recording) {
        JsonNode put = Stream.iterate(0, i -> i + 1).map(i -> recording.get("exchanges").get(i))
                .filter(e -> e.get("method").textValue().equals("POST") && e.get("path").textValue().startsWith("/document/v1/"))
                .findFirst().orElseThrow();
        return dynamicTest(profile + "  damaged puts are refused", () -> {
            String path = put.get("path").textValue(), body = put.get("body").textValue();
            assertEquals(400, documents.send("POST", path, body.substring(0, body.length() / 2)).status(), "truncated");
            String wrong = body.replaceFirst("[0-9a-f](\"}+)$", "$1");
            assertTrue(wrong.length() == body.length() - 1, "the body does not end with a tensor");
            assertEquals(400, documents.send("POST", path, wrong).status(), "one hexadecimal digit missing");
            ObjectNode more = (ObjectNode) Export.JSON.readTree(body);
            ((ObjectNode) more.get("fields")).put("no_such_field", 1);
            var answer = documents.send("POST", path, more.toString());
            assertTrue(answer.status() == 400 || answer.ignoredFields(), "an unknown field: " + answer);
        });
    }

    private static JsonNode search(JsonNode e) throws IOException {
        return Export.JSON.readTree(e.get("body").textValue());
    }

    /**
     * Vespa refuses the first query with a vector when its YQL is damaged or its
     * vector too long. (It fills one that is too short with zeros.)
     */
    private DynamicTest refusals(String profile, Queries queries, JsonNode recording) throws IOException {
        String body = null;
        for (JsonNode e : recording.get("exchanges")) {
            if (body == null && e.path("body").asText().contains("\"input.query(qt")) body = e.get("body").textValue();
        }
        String good = body;
        return dynamicTest(profile + "  damaged queries are refused", () -> {
            for (String[] damage : new String[][] {
                    {"tenant contains", "tenamt contains"}, {"published = 1", "published == 1"}, {"@tenant", "@nobody"},
                    {"(\"input[^\\[]*\\[)[^,]*,", "$1 1, 2,"}}) {
                String bad = good.replaceFirst(damage[0], damage[1]);
                assertFalse(bad.equals(good), "nothing to damage: " + damage[0]);
                assertThrows(RuntimeException.class, () -> queries.read(bad), damage[1]);
            }
        });
    }

    /** Vespa's container accepts the query: its YQL, its values, its fields. */
    private DynamicTest query(String profile, Queries queries, JsonNode e, TestReporter reporter) throws IOException {
        JsonNode body = search(e);
        return dynamicTest(profile + "  query " + body.get("ranking.profile").textValue(), () -> {
            Query query = queries.read(e.get("body").textValue());
            String tree = query.getModel().getQueryTree().getRoot().toString();
            for (String name : List.of("tenant", "video", "generation")) {
                if (body.get("yql").textValue().contains("@" + name)) {
                    assertTrue(tree.contains(body.get(name).textValue()), name + " is not bound in " + tree);
                }
            }
            assertEquals(body.get("hits").intValue(), query.getHits());
            assertEquals(body.get("ranking.profile").textValue(), query.getRanking().getProfile());
            reporter.publishEntry(tree.replaceAll("([0-9a-f]{8})[0-9a-f]{24,}", "$1…"));
        });
    }

    private DynamicTest scores(String profile, Documents documents, Ranking ranking, Queries queries,
                               JsonNode e, TestReporter reporter) throws IOException {
        String rank = search(e).get("ranking.profile").textValue();
        return dynamicTest(profile + "  score " + rank, () -> {
            Query query = queries.read(e.get("body").textValue());
            JsonNode hits = Export.JSON.readTree(e.get("answer").textValue()).at("/root/children");
            double worst = 0, previous = Double.POSITIVE_INFINITY;
            for (JsonNode hit : hits) {
                String id = hit.at("/fields/doc_id").textValue();
                double want = hit.get("relevance").doubleValue();
                double got = ranking.score(rank, query, documents.get("id:video:" + ranking.schema() + "::" + id));
                double off = Math.abs(got - want) / Math.max(1e-9, Math.abs(want));
                assertTrue(off <= 1e-5, id + ": Vespa's evaluator gives " + got + ", the fake " + want);
                assertTrue(want <= previous, "hits out of order");
                worst = Math.max(worst, off);
                previous = want;
            }
            assertTrue(hits.size() > 0, "no hits");
            reporter.publishEntry(String.format("%d hits, relative difference at most %.1e", hits.size(), worst));
        });
    }
}
