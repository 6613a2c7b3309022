package cogflow.vespa;

import com.yahoo.document.Document;
import com.yahoo.document.datatypes.TensorFieldValue;
import com.yahoo.schema.ApplicationBuilder;
import com.yahoo.schema.RankProfile;
import com.yahoo.schema.Schema;
import com.yahoo.search.Query;
import com.yahoo.searchlib.rankingexpression.RankingExpression;
import com.yahoo.searchlib.rankingexpression.evaluation.MapContext;
import com.yahoo.searchlib.rankingexpression.evaluation.TensorValue;
import com.yahoo.searchlib.rankingexpression.evaluation.Value;
import com.yahoo.searchlib.rankingexpression.parser.ParseException;
import com.yahoo.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;

/** The rank profiles of a schema, evaluated by Vespa's Java implementation of rank expressions. */
final class Ranking {

    private final Schema schema;
    private final ApplicationBuilder application;

    Ranking(Path packageDir, String schema) throws Exception {
        try (Stream<Path> files = Files.list(packageDir.resolve("schemas"))) {
            application = ApplicationBuilder.createFromFiles(files.map(Path::toString).sorted().toList());
        }
        this.schema = application.getSchema(schema);
    }

    String schema() {
        return schema.getName();
    }

    /** Whether a profile exists that scores vectors only. */
    boolean scores(String name) {
        RankProfile profile = profile(name);
        return profile != null && profile.getFirstPhase() != null && !profile.inputs().isEmpty()
                && !expression(profile).contains("text_score");
    }

    private RankProfile profile(String name) {
        return application.getRankProfileRegistry().get(schema, name);
    }

    private static String expression(RankProfile profile) {
        return last(profile).function().getBody().getRoot().toString();
    }

    /** The last phase: there are fewer documents than it reranks. */
    private static RankProfile.RankingExpressionFunction last(RankProfile profile) {
        return profile.getSecondPhase() != null ? profile.getSecondPhase() : profile.getFirstPhase();
    }

    double score(String name, Query query, Document document) {
        RankProfile profile = profile(name);
        Functions context = new Functions(profile);
        profile.inputs().keySet().forEach(input -> query.getRanking().getFeatures().getTensor(input.toString())
                .ifPresent(tensor -> context.put(input.toString(), new TensorValue(tensor))));
        for (String field : new String[] {"embedding", "embedding_binary"}) {
            if (document.getField(field) != null && document.getFieldValue(field) instanceof TensorFieldValue value) {
                context.put("attribute(" + field + ")", new TensorValue(value.getTensor().orElseThrow()));
            }
        }
        return last(profile).function().getBody().evaluate(context).asDouble();
    }

    /**
     * Values by name; a function of the profile is evaluated on demand.
     *
     * <p>Vespa's Java evaluator cannot divide a number by a tensor, as its native
     * one can ("Cannot perform divide on tensor"). The number is made a tensor
     * without dimensions here, which means the same.
     */
    private static final class Functions extends MapContext {

        private final Map<String, RankProfile.RankingExpressionFunction> functions;

        Functions(RankProfile profile) {
            functions = profile.getFunctions();
            put("one", new TensorValue(Tensor.from("{1}")));
        }

        private static RankingExpression divisible(RankingExpression body) {
            String text = body.getRoot().toString();
            try {
                return text.contains("1 / (") ? new RankingExpression(text.replace("1 / (", "one / (")) : body;
            } catch (ParseException e) {
                throw new IllegalArgumentException(text, e);
            }
        }

        @Override
        public Value get(String name) {
            var f = functions.get(name);
            return f != null ? divisible(f.function().getBody()).evaluate(this) : super.get(name);
        }
    }
}
