import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Java's own client, which offers HTTP/2: uploads, polls, prints the results. Argument: the input file. */
public class Client {
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    static byte[] call(String method, String path, String type, BodyPublisher body) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(System.getenv("OPENAI_BASE_URL") + path))
            .timeout(Duration.ofMillis((long) (1000 * Double.parseDouble(System.getenv("TIMEOUT")))))
            .header("Authorization", "Bearer " + System.getenv("OPENAI_API_KEY"))
            .header("Content-Type", type)
            .method(method, body)
            .build();
        var response = CLIENT.send(request, BodyHandlers.ofByteArray());
        if (response.statusCode() >= 400) throw new IllegalStateException("HTTP " + response.statusCode());
        return response.body();
    }

    static String get(String path) throws Exception {
        return new String(call("GET", path, "text/plain", BodyPublishers.noBody()), "UTF-8");
    }

    static String post(String path, String type, BodyPublisher body) throws Exception {
        return new String(call("POST", path, type, body), "UTF-8");
    }

    static String field(String json, String name) {
        Matcher matcher = Pattern.compile('"' + name + "\": *\"([^\"]*)\"").matcher(json);
        return matcher.find() ? matcher.group(1) : "";
    }

    public static void main(String[] arguments) throws Exception {
        Path path = Path.of(arguments[0]);
        String disposition = "Content-Disposition: form-data; name=";
        String head = "--b\r\n" + disposition + "\"purpose\"\r\n\r\nbatch\r\n"
            + "--b\r\n" + disposition + "\"file\"; filename=\"" + path.getFileName() + "\"\r\n\r\n";
        var form = new ByteArrayOutputStream();
        form.write(head.getBytes("UTF-8"));
        form.write(Files.readAllBytes(path));
        form.write("\r\n--b--\r\n".getBytes("UTF-8"));
        String kind = "multipart/form-data; boundary=b";
        String file = field(post("/files", kind, BodyPublishers.ofByteArray(form.toByteArray())), "id");

        String body = "{\"input_file_id\": \"" + file + "\", \"endpoint\": \"/v1/chat/completions\", "
            + "\"completion_window\": \"24h\"}";
        String batch = post("/batches", "application/json", BodyPublishers.ofString(body));
        String id = field(batch, "id");
        while (!field(batch, "status").matches("completed|failed|expired|cancelled")) {
            batch = get("/batches/" + id);
        }
        System.out.write(call("GET", "/files/" + field(batch, "output_file_id") + "/content", "text/plain",
            BodyPublishers.noBody()));
        System.out.flush();
    }
}
