package cogflow.vespa;

import com.yahoo.schema.ApplicationBuilder;
import com.yahoo.schema.RankProfile;
import com.yahoo.schema.Schema;
import com.yahoo.schema.document.SDField;
import com.yahoo.searchlib.rankingexpression.RankingExpression;
import com.yahoo.searchlib.rankingexpression.rule.CompositeNode;
import com.yahoo.searchlib.rankingexpression.rule.ExpressionNode;
import com.yahoo.searchlib.rankingexpression.rule.ReferenceNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Checks that every name in a rank expression is known. Vespa's config server treats
 * an unknown name as a feature of the backend, which a native program
 * (vespa-verify-ranksetup-bin) checks. That program is not available here. The known
 * features are the three that cogflow uses.
 */
final class Names {

    private Names() { }

    static void check(Path packageDir) throws Exception {
        ApplicationBuilder application;
        try (Stream<Path> files = Files.list(packageDir.resolve("schemas"))) {
            application = ApplicationBuilder.createFromFiles(files.map(Path::toString).sorted().toList());
        }
        List<String> unknown = new ArrayList<>();
        for (Schema schema : application.getSchemaList()) {
            for (RankProfile profile : application.getRankProfileRegistry().rankProfilesOf(schema)) {
                profile.getFunctions().values().forEach(f -> walk(schema, profile, f.function().getBody(), unknown));
                for (var phase : new RankProfile.RankingExpressionFunction[] {profile.getFirstPhase(), profile.getSecondPhase()}) {
                    if (phase != null) walk(schema, profile, phase.function().getBody(), unknown);
                }
            }
        }
        if (!unknown.isEmpty()) throw new IllegalArgumentException("unknown names: " + unknown);
    }

    private static void walk(Schema schema, RankProfile profile, RankingExpression body, List<String> unknown) {
        walk(schema, profile, body.getRoot(), unknown);
    }

    private static void walk(Schema schema, RankProfile profile, ExpressionNode node, List<String> unknown) {
        if (node instanceof ReferenceNode reference) {
            if (!known(schema, profile, reference)) unknown.add(schema.getName() + "/" + profile.name() + ": " + reference);
        } else if (node instanceof CompositeNode parent) {
            for (ExpressionNode child : parent.children()) walk(schema, profile, child, unknown);
        }
    }

    private static boolean known(Schema schema, RankProfile profile, ReferenceNode node) {
        String argument = node.reference().simpleArgument().orElse("");
        SDField field = argument.isEmpty() ? null : schema.getConcreteField(argument);
        return switch (node.getName()) {
            case "query" -> profile.inputs().containsKey(node.reference());
            case "attribute" -> field != null && field.doesAttributing();
            case "bm25" -> field != null && field.getIndex(argument) != null && field.getIndex(argument).useInterleavedFeatures();
            case "nativeRank", "value" -> List.of("default", "unranked").contains(profile.name()); // Vespa's own
            default -> profile.getFunctions().containsKey(node.getName()) && node.reference().isIdentifier();
        };
    }
}
