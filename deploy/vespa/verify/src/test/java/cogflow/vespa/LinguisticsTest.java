package cogflow.vespa;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.databind.JsonNode;
import com.yahoo.language.Language;
import com.yahoo.language.process.LinguisticsParameters;
import com.yahoo.language.process.StemMode;
import com.yahoo.language.process.Token;
import com.yahoo.language.simple.SimpleTokenizer;
import java.io.IOException;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Vespa's tokenizer makes the words that internal/vespa/linguistics expects. */
class LinguisticsTest {

    @TestFactory
    Stream<DynamicTest> tokenizes() throws IOException {
        JsonNode list = Export.read(Export.dir().resolve("linguistics.json"));
        return StreamSupport.stream(list.spliterator(), false).map(entry -> dynamicTest(entry.get("text").textValue(), () -> {
            List<String> want = new ArrayList<>();
            entry.get("words").forEach(word -> want.add(word.textValue()));
            List<String> got = new ArrayList<>();
            var parameters = new LinguisticsParameters(Language.UNKNOWN, StemMode.NONE, true, true);
            for (Token token : new SimpleTokenizer().tokenize(entry.get("text").textValue(), parameters)) {
                if (token.isIndexable()) got.add(Normalizer.normalize(token.getTokenString(), Normalizer.Form.NFC));
            }
            assertEquals(want, got);
        }));
    }
}
