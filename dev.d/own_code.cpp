// A plugin of clang-tidy for ./dev lint: checks read what is written here, and not the headers of others, of which they
// could report nothing anyway. Nine tenths of what a file includes are such headers, and each check goes through all of
// it. The static analyzer is not concerned: it begins at functions of the file itself, and follows calls wherever they
// lead.

#include <clang/AST/ASTConsumer.h>
#include <clang/AST/ASTContext.h>
#include <clang/AST/DeclBase.h>
#include <clang/AST/DeclGroup.h>
#include <clang/Basic/SourceManager.h>
#include <clang/Frontend/FrontendAction.h>
#include <clang/Frontend/FrontendPluginRegistry.h>
#include <memory>
#include <string>
#include <vector>

namespace {

class own_declarations final : public clang::ASTConsumer {
public:
    bool HandleTopLevelDecl(clang::DeclGroupRef group) override {
        for (auto* const declaration : group)
            if (stands_alone(*declaration) && is_ours(*declaration)) ours_.push_back(declaration);
        return true;
    }

    /// Called before clang-tidy's own consumer, which begins to look here.
    void HandleTranslationUnit(clang::ASTContext& context) override { context.setTraversalScope(ours_); }

private:
    /// What a template became is announced as well; whoever reads the template reads that.
    static bool stands_alone(const clang::Decl& declaration) {
        return declaration.getLexicalDeclContext()->isTranslationUnit();
    }

    /// A macro of others, such as TEST_CASE, makes our code where it is used.
    static bool is_ours(const clang::Decl& declaration) {
        const auto& sources = declaration.getASTContext().getSourceManager();
        return !sources.isInSystemHeader(sources.getExpansionLoc(declaration.getLocation()));
    }

    std::vector<clang::Decl*> ours_;
};

class own_code final : public clang::PluginASTAction {
    std::unique_ptr<clang::ASTConsumer> CreateASTConsumer(clang::CompilerInstance&, llvm::StringRef) override {
        return std::make_unique<own_declarations>();
    }
    bool ParseArgs(const clang::CompilerInstance&, const std::vector<std::string>&) override { return true; }
    ActionType getActionType() override { return AddBeforeMainAction; }
};

const clang::FrontendPluginRegistry::Add<own_code> registered{"own-code", "lets checks read what is ours alone"};

} // namespace
